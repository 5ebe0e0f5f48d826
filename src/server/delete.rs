//! `DELETE /channels/NAME`: ends a channel.
//!
//! Whoever hears it gets what it lacks, a notice where its mode has one, and the end of its answer. The name is free at once; what was
//! held is gone for whoever comes later, who is told so if it comes with a cursor from before.
//!
//! Next: `metrics.rs`.

use super::access::Visitor;
use super::reply::{json, refuse};
use super::routes::Pending;
use crate::engine::Ctx;
use crate::error::Refusal;

/// Ends the channel, if there is one.
pub(crate) fn delete(channel: &str, visitor: &Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
    match ctx.core().end_channel(channel) {
        Some(subscribers) => {
            json(ctx, visitor, 200, &format!("{{\"ended\":true,\"subscribers\":{subscribers}}}\n"))
        }
        None => refuse(
            ctx,
            visitor,
            Refusal::new(404, "there is no such channel: it has neither messages nor subscribers"),
        ),
    }
}
