//! The market: prices that move, and a message with those that have.
//!
//! `topics.rs` asks for the next step, `stream.rs` for the prices as they are: who comes gets these, and then only what changes.
//!
//! Next: `shop.rs`.

use super::chance::Dice;

/// A name and a price in cents: nobody counts money in floating point.
struct Stock {
    symbol: &'static str,
    cents: u64,
}

/// All that is traded.
pub(super) struct Market {
    stocks: [Stock; 6],
}

impl Default for Market {
    fn default() -> Market {
        let stocks = [
            ("COMET", 10_000),
            ("ENCKE", 3_300),
            ("HALLEY", 7_600),
            ("TAIL", 950),
            ("TAOBAO", 6_800),
            ("TOMCAT", 7_000),
        ];
        Market { stocks: stocks.map(|(symbol, cents)| Stock { symbol, cents }) }
    }
}

impl Market {
    /// One step of a walk in which each price stands still most of the time, and never goes below a cent. Tells those that moved, and
    /// one in any case: a market in which nothing happens would look like a stream that is broken.
    pub(super) fn step(&mut self, dice: &mut Dice) -> String {
        let surely = dice.roll(self.stocks.len() as u64) as usize;
        let mut moved = [false; 6];
        for (index, stock) in self.stocks.iter_mut().enumerate() {
            if index != surely && dice.roll(4) != 0 {
                continue;
            }
            let by = 1 + dice.roll(1 + stock.cents / 400);
            stock.cents =
                if dice.roll(2) == 0 { stock.cents + by } else { stock.cents.saturating_sub(by).max(1) };
            moved[index] = true;
        }
        tell(self.stocks.iter().zip(moved).filter(|(_, moved)| *moved).map(|(stock, _)| stock))
    }

    /// All prices as they are.
    pub(super) fn snapshot(&self) -> String {
        tell(self.stocks.iter())
    }
}

/// `{"ENCKE":"3.30"}`. Symbols have nothing in them that JSON would have escaped.
fn tell<'a>(stocks: impl Iterator<Item = &'a Stock>) -> String {
    let prices = stocks
        .map(|stock| format!("\"{}\":\"{}.{:02}\"", stock.symbol, stock.cents / 100, stock.cents % 100));
    format!("{{{}}}", prices.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_what_has_moved_and_nothing_else() {
        let (mut market, mut dice) = (Market::default(), Dice::default());
        assert!(
            market.snapshot().starts_with("{\"COMET\":\"100.00\",\"ENCKE\":\"33.00\""),
            "{}",
            market.snapshot()
        );
        for _ in 0..100 {
            let before: Vec<u64> = market.stocks.iter().map(|stock| stock.cents).collect();
            let told = market.step(&mut dice);
            assert_ne!(told, "{}");
            for (stock, before) in market.stocks.iter().zip(before) {
                assert_eq!(told.contains(stock.symbol), stock.cents != before, "{told}");
            }
        }
    }
}
