//! `GET /stream`: one request, and from then on a line for each change, as it happens.
//!
//! Live or catching up is the same thing: what lies behind the cursor goes out, in order. So there is no code for catching up here.
//!
//! Next: `poll.rs`.

use encke::{Ctx, MessageId, Refusal, Since};
use serde_json::json;

use crate::serve::STREAM;
use crate::shop::{self, Shop};

/// Opens the stream of a seller, and ends the one that was open before.
pub(crate) fn open(
    seller: &str,
    since: Option<MessageId>,
    shop: &mut Shop,
    ctx: &mut Ctx<'_, Option<Box<str>>>,
) -> Result<(), Refusal> {
    let mut fields = [&[("Content-Type", "application/x-ndjson")], &STREAM[..]].concat();
    if ctx.is_head_request() {
        let _ = ctx.start(200, &fields);
        ctx.close();
        return Ok(());
    }
    let mut first = json!({ "seller": seller });
    if since.is_none() {
        // Who catches up hears at its place in the log what the kinds were then.
        first["kinds"] = shop.kinds(seller).names().into();
    }
    let since = since.map_or(Since::Head, Since::Id);
    let subscribed = ctx.subscribe(&[&shop::channel(seller)], since, shop.format()).map_err(shop::refusal)?;
    let id = ctx.id();
    if let Some(before) = shop.note_stream(seller, id)? {
        let core = ctx.core();
        let _ = core.write(before, last_line("another stream of this seller has begun").as_bytes());
        core.close(before);
    }
    *ctx.state = Some(seller.into());
    let at = subscribed.at.to_string();
    if subscribed.gap {
        // The notice that comes behind this line has the id. With one here, who is cut between the two would come back
        // with it and never hear of the gap.
        fields.push(("Encke-Gap", "true"));
    } else {
        fields.push(("Last-Event-ID", &at));
        first["id"] = at.as_str().into();
    }
    let _ = ctx.start(200, &fields);
    let _ = ctx.write(format!("{first}\n").as_bytes());
    Ok(())
}

/// The last line of a stream that ends well: its client comes back at once, with the last id that it had.
pub(crate) fn last_line(why: &str) -> String {
    format!("{}\n", json!({ "end": why }))
}
