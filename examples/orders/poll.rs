//! `GET /orders`: what the push API replaces. A client asks again and again whether anything has changed, and mostly nothing has.
//!
//! It reads the same log from the same kind of cursor. A subscription that takes what there is and is answered at once is all that it needs.
//!
//! Next: `simulate.rs`.

use encke::{Ctx, MessageId, Refusal, Since};
use serde_json::json;

use crate::serve::{self, STREAM};
use crate::shop::{self, Shop};

/// The longest list; what is behind it, the next poll gets.
const LIST_BYTES_MAX: usize = 60 * 1024;

/// What has changed since: `{"cursor":"17-4","changes":[…]}`, and `"gap":true` if some of it is gone.
pub(crate) fn changes(
    seller: &str,
    since: MessageId,
    shop: &Shop,
    ctx: &mut Ctx<'_, Option<Box<str>>>,
) -> Result<(), Refusal> {
    let fields = [("Content-Type", "application/json"), STREAM[0]];
    if ctx.is_head_request() {
        // There is nothing to be read for who gets none of it.
        let _ = ctx.start(200, &fields);
        ctx.close();
        return Ok(());
    }
    let subscribed =
        ctx.park(&[&shop::channel(seller)], Since::Id(since), shop.format()).map_err(shop::refusal)?;
    let mut lines = Vec::new();
    let news = ctx.take_news(LIST_BYTES_MAX, &mut lines);
    // JSON as it is written here has no line end but those between the changes.
    let list = String::from_utf8_lossy(&lines);
    let list = list.trim_end().replace('\n', ",");
    let gap = if subscribed.gap || news.gap { ",\"gap\":true" } else { "" };
    let body = format!("{{\"cursor\":\"{}\",\"changes\":[{list}]{gap}}}\n", news.cursor);
    let _ = ctx.respond(200, &fields, body.as_bytes());
    Ok(())
}

/// The orders as they are: `{"cursor":"17-4","orders":[…]}`. Behind the cursor is exactly what is not in them.
pub(crate) fn all(seller: &str, shop: &Shop, ctx: &mut Ctx<'_, Option<Box<str>>>) {
    let cursor = ctx.core().hub().head().to_string();
    serve::json(ctx, 200, &json!({ "cursor": cursor, "orders": shop.orders(seller) }));
}
