//! The shop: orders, what becomes of them, and which of that their sellers want to hear.
//!
//! Each seller has one channel, and its ring is the log of all that the seller has subscribed to when it happened. Streams and polls read the
//! same log, each from its own cursor.
//!
//! ```text
//!   created ─► paid ─► shipped ─► closed        an order can be closed at any time: cancelled, given back, or done
//! ```
//!
//! Next: `stream.rs`.

use std::collections::BTreeMap;

use encke::{Core, ExchangeId, Format, Message, MessageId, Notice, Refusal, WireFormat, WriteError};
use serde_json::{Value, json};

/// What can happen to an order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Created,
    Paid,
    Shipped,
    Closed,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Created, Kind::Paid, Kind::Shipped, Kind::Closed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Created => "created",
            Kind::Paid => "paid",
            Kind::Shipped => "shipped",
            Kind::Closed => "closed",
        }
    }

    pub(crate) fn read(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn may_become(self, next: Kind) -> bool {
        match (self, next) {
            (Kind::Created, Kind::Paid) | (Kind::Paid, Kind::Shipped) => true,
            (before, Kind::Closed) => before != Kind::Closed,
            _ => false,
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    const ALL: Kinds = Kinds(0b1111);

    /// Reads `paid,shipped`.
    pub(crate) fn read(list: &str) -> Option<Kinds> {
        let each = list.split(',').map(|name| Kind::read(name).map(Kinds::of));
        each.reduce(|some, more| Some(some?.with(more?))).flatten()
    }

    fn of(kind: Kind) -> Kinds {
        Kinds(1 << kind as u8)
    }

    pub(crate) fn with(self, others: Kinds) -> Kinds {
        Kinds(self.0 | others.0)
    }

    pub(crate) fn without(self, others: Kinds) -> Kinds {
        Kinds(self.0 & !others.0)
    }

    fn contains(self, kind: Kind) -> bool {
        self.0 & Kinds::of(kind).0 != 0
    }

    pub(crate) fn names(self) -> Vec<&'static str> {
        Kind::ALL.into_iter().filter(|kind| self.contains(*kind)).map(Kind::name).collect()
    }
}

/// One order.
struct Order {
    seller: Box<str>,
    kind: Kind,
}

/// One seller. It is there as soon as somebody speaks of it.
struct Seller {
    kinds: Kinds,
    /// The numbers of its orders.
    orders: Vec<usize>,
    /// Its stream, if one is open.
    stream: Option<ExchangeId>,
}

/// All orders and all sellers.
#[derive(Default)]
pub(crate) struct Shop {
    orders: Vec<Order>,
    sellers: BTreeMap<Box<str>, Seller>,
    format: Option<WireFormat>,
}

/// This shop forgets nothing, so it has an end.
const ORDERS_MAX: usize = 1_000_000;
const SELLERS_MAX: usize = 10_000;

const CLOSED: Refusal = Refusal::new(503, "this shop has as many orders and sellers as it may have");

impl Shop {
    /// Adds the wire format of the changes to the engine's table.
    pub(crate) fn prepare(&mut self, core: &mut Core) {
        self.format = core.add_format(CHANGES);
    }

    /// How changes are written.
    pub(crate) fn format(&self) -> WireFormat {
        // The table has room for this one.
        self.format.unwrap_or(WireFormat::NDJSON)
    }

    // ---- orders

    /// Somebody has ordered.
    pub(crate) fn create(&mut self, seller: &str, core: &mut Core) -> Result<Value, Refusal> {
        let number = self.orders.len() + 1;
        if number > ORDERS_MAX {
            return Err(CLOSED);
        }
        self.seller(seller)?;
        let change = self.tell_change(seller, number, Kind::Created, core)?;
        self.seller(seller)?.orders.push(number);
        self.orders.push(Order { seller: seller.into(), kind: Kind::Created });
        Ok(change)
    }

    /// An order is something else now.
    pub(crate) fn advance(&mut self, number: usize, kind: Kind, core: &mut Core) -> Result<Value, Refusal> {
        let index = number.checked_sub(1).filter(|&index| index < self.orders.len());
        let index = index.ok_or(Refusal::new(404, "there is no such order"))?;
        let order = &self.orders[index];
        if !order.kind.may_become(kind) {
            return Err(Refusal::new(
                409,
                "what is created can be paid, what is paid shipped, and all of them closed once",
            ));
        }
        let change = self.tell_change(&order.seller, number, kind, core)?;
        self.orders[index].kind = kind;
        Ok(change)
    }

    /// The orders of a seller as they are.
    pub(crate) fn orders(&self, seller: &str) -> Vec<Value> {
        let numbers = self.sellers.get(seller).map_or(&[][..], |seller| &seller.orders);
        let order = |&number: &usize| json!({ "order": number, "kind": self.orders[number - 1].kind.name() });
        numbers.iter().map(order).collect()
    }

    /// Tells a seller what becomes of an order, if it wants to hear that, and gives the change as it was told. It is told before it is noted,
    /// so what cannot be told does not happen.
    fn tell_change(
        &self,
        seller: &str,
        number: usize,
        kind: Kind,
        core: &mut Core,
    ) -> Result<Value, Refusal> {
        let mut change = json!({ "order": number, "kind": kind.name() });
        let is_wanted = self.kinds(seller).contains(kind);
        let id = if is_wanted { Some(tell(seller, &change, core)?) } else { None };
        change["id"] = id.map(|id| id.to_string()).into();
        Ok(change)
    }

    // ---- sellers

    /// Which kinds of change a seller hears; all, if it has not said otherwise.
    pub(crate) fn kinds(&self, seller: &str) -> Kinds {
        self.sellers.get(seller).map_or(Kinds::ALL, |seller| seller.kinds)
    }

    /// From here on a seller hears these kinds. That is a message too, so it has its place among the others.
    pub(crate) fn subscribe(
        &mut self,
        seller: &str,
        kinds: Kinds,
        core: &mut Core,
    ) -> Result<Kinds, Refusal> {
        if self.seller(seller)?.kinds != kinds {
            tell(seller, &json!({ "kinds": kinds.names() }), core)?;
            self.seller(seller)?.kinds = kinds;
        }
        Ok(kinds)
    }

    /// Notes a seller's stream, and gives the one before, if that is open.
    pub(crate) fn note_stream(
        &mut self,
        seller: &str,
        id: ExchangeId,
    ) -> Result<Option<ExchangeId>, Refusal> {
        Ok(self.seller(seller)?.stream.replace(id))
    }

    /// A stream has ended. If another has come meanwhile, that one stays.
    pub(crate) fn forget_stream(&mut self, seller: &str, id: ExchangeId) {
        if let Some(seller) = self.sellers.get_mut(seller) {
            seller.stream.take_if(|open| *open == id);
        }
    }

    fn seller(&mut self, name: &str) -> Result<&mut Seller, Refusal> {
        if self.sellers.len() >= SELLERS_MAX && !self.sellers.contains_key(name) {
            return Err(CLOSED);
        }
        let new = Seller { kinds: Kinds::ALL, orders: Vec::new(), stream: None };
        Ok(self.sellers.entry(name.into()).or_insert(new))
    }
}

/// The channel of a seller. With something before it, a name cannot be one that the engine keeps for itself.
pub(crate) fn channel(seller: &str) -> String {
    format!("orders/{seller}")
}

/// What the engine's refusals mean here.
pub(crate) fn refusal(error: WriteError) -> Refusal {
    match error {
        WriteError::BadName => {
            Refusal::new(400, "no seller is called so: at most 248 bytes, no asterisk, no control characters")
        }
        _ => CLOSED,
    }
}

fn tell(seller: &str, what: &Value, core: &mut Core) -> Result<MessageId, Refusal> {
    let published = core.publish(&channel(seller), Message::new(&what.to_string()));
    published.map(|published| published.id).map_err(refusal)
}

/// A change is one line, `{"id":"17-4","kind":"paid","order":7}`: what was published, with its id in front.
const CHANGES: Format = Format {
    encode: |change, out| {
        let members = change.data.strip_prefix('{').unwrap_or("}");
        out.extend_from_slice(format!("{{\"id\":\"{}\",{members}\n", change.id).as_bytes());
    },
    notice: Some(|notice, id, out| {
        let line = match notice {
            Notice::Gap => format!("{{\"id\":\"{id}\",\"gap\":true}}\n"),
            Notice::End => format!("{{\"id\":\"{id}\",\"end\":\"there is nothing more to come\"}}\n"),
        };
        out.extend_from_slice(line.as_bytes());
    }),
    heartbeat: Some(b"\n"),
};
