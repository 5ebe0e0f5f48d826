//! `GET /metrics`: the engine's counts in Prometheus' text format, version 0.0.4.
//!
//! `routes.rs` calls. Everything told is kept by the engine anyway, so asking costs one pass over this page and nothing else.
//!
//! Invariant: names end in their unit, counters in `_total`, and every family has its help: `promtool check metrics` has nothing to say.
//! Absent on purpose: a name for each channel. There may be a hundred thousand, and each would be a time series.
//!
//! Next: `run.rs`.

use std::fmt::{self, Write};

use crate::engine::Core;

/// The whole text.
pub(crate) fn text(core: &Core) -> String {
    let mut page = Page { out: String::with_capacity(8 * 1024) };
    // Writing to a string cannot fail.
    let _ = page.connections(core).and_then(|()| page.channels(core)).and_then(|()| page.turns(core));
    page.out
}

struct Page {
    out: String,
}

impl Page {
    fn connections(&mut self, core: &Core) -> fmt::Result {
        let (counters, hub) = (core.counters(), core.hub().stats());
        let streaming = hub.subscribers - core.parked();
        self.head("encke_connections", "gauge", "Open connections by what they do.")?;
        for (state, count) in [
            ("idle", core.idle()),
            ("answering", core.exchanges() - hub.subscribers),
            ("streaming", streaming),
            ("polling", core.parked()),
            ("closing", core.connections() - core.exchanges() - core.idle()),
        ] {
            writeln!(self.out, "encke_connections{{state=\"{state}\"}} {count}")?;
        }
        self.gauge("encke_blocked_peers", "Peers that take nothing of what they are owed.", core.blocked())?;
        self.gauge(
            "encke_held_publishers",
            "Publishers not read until subscribers have caught up.",
            hub.held,
        )?;
        for (name, help, value) in [
            ("encke_connections_opened_total", "Connections taken in.", counters.opened),
            ("encke_connections_closed_total", "Connections that are over.", counters.closed),
            (
                "encke_connections_turned_away_total",
                "Connections answered 503 because there were too many.",
                counters.turned_away,
            ),
            (
                "encke_connections_evicted_total",
                "Idle connections that gave way to newcomers.",
                counters.evicted,
            ),
            ("encke_requests_total", "Requests served.", counters.exchanges),
            (
                "encke_requests_refused_total",
                "Requests refused before anybody saw them, for instance as no HTTP.",
                counters.refused,
            ),
            ("encke_received_bytes_total", "Bytes read from peers.", counters.bytes_in),
            ("encke_sent_bytes_total", "Bytes taken by peers.", counters.bytes_out),
            ("encke_reads_total", "Reads asked of sockets.", counters.reads),
            ("encke_writes_total", "Writes asked of sockets.", counters.writes),
            ("encke_panics_total", "Callbacks that panicked.", counters.panics),
        ] {
            self.counter(name, help, value)?;
        }
        Ok(())
    }

    fn channels(&mut self, core: &Core) -> fmt::Result {
        let (counters, hub) = (core.counters(), core.hub().stats());
        for (name, help, value) in [
            ("encke_channels", "Channels that have messages or subscribers.", hub.channels),
            ("encke_subscribers", "Subscriptions, streaming and polling.", hub.subscribers),
            ("encke_messages", "Messages held in the rings of all channels.", hub.messages),
            ("encke_message_bytes", "Bytes of their payload and types.", hub.bytes),
            (
                "encke_memory_bytes",
                "Bytes of all that --memory bounds: messages, frames, bodies being collected, channels.",
                hub.memory,
            ),
            ("encke_memory_limit_bytes", "The bound.", core.limits().memory_bytes_max),
        ] {
            self.gauge(name, help, value)?;
        }
        for (name, help, value) in [
            ("encke_messages_published_total", "Messages published.", hub.published),
            (
                "encke_messages_delivered_total",
                "Messages handed to subscribers, each counted for each of them.",
                hub.delivered,
            ),
            (
                "encke_deliveries_total",
                "Batches handed to streaming subscribers, each in one write.",
                counters.deliveries,
            ),
            ("encke_heartbeats_total", "Heartbeats sent.", counters.heartbeats),
            ("encke_gaps_total", "Subscribers told that messages are missing.", hub.gaps),
            ("encke_cuts_total", "Subscribers cut because they did not read.", counters.cuts),
        ] {
            self.counter(name, help, value)?;
        }
        Ok(())
    }

    /// The time of turns as a histogram, whose buckets Prometheus wants cumulated.
    fn turns(&mut self, core: &Core) -> fmt::Result {
        let turns = core.turns();
        self.head(
            "encke_turn_seconds",
            "histogram",
            "How long turns of the loop take: nobody is served meanwhile.",
        )?;
        for (bound, count) in turns.buckets() {
            writeln!(self.out, "encke_turn_seconds_bucket{{le=\"{}\"}} {count}", bound.as_secs_f64())?;
        }
        let count = turns.count();
        writeln!(self.out, "encke_turn_seconds_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(self.out, "encke_turn_seconds_sum {}", turns.sum().as_secs_f64())?;
        writeln!(self.out, "encke_turn_seconds_count {count}")
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        self.head(name, "gauge", help)?;
        writeln!(self.out, "{name} {value}")
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.head(name, "counter", help)?;
        writeln!(self.out, "{name} {value}")
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }
}
