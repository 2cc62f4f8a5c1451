//! The prices of the platform, and those of single clients over them: each list holds from a moment on.
//!
//! A list may begin now or later, never before: what was priced stays as it was priced.

use chrono::TimeDelta;
use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::currency::Currency;
use super::entry::Component;
use super::price::{Price, PriceFault, Unit};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{ClientId, PriceBookId};
use crate::wire::events;

/// Most prices of a list.
pub const MAX_PRICES: usize = 200;
/// Most lists that are kept for the platform, or for one client.
pub const MAX_LISTS: usize = 1_000;

events! {
    pub enum PriceBookEvent {
        Set(PricesSet) = "price_book.prices_set" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PricesSet {
    /// The client that the prices are for; `None`: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    pub currency: Currency,
    pub prices: Vec<Price>,
    /// From then on they hold, in place of the list before.
    #[serde(with = "micros")]
    pub effective_from: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum PriceBookCommand {
    Set {
        client: Option<ClientId>,
        currency: Currency,
        prices: Vec<Price>,
        /// `None`: from now on.
        effective_from: Option<Time>,
        now: Time,
    },
}

/// Why prices are not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceBookRefusal {
    #[error("prices never change the past: let them begin now or later")]
    Past,
    #[error("a list has at most 200 prices")]
    TooMany,
    #[error("there are 1000 lists already")]
    TooManyLists,
    /// Two prices are of the same thing.
    #[error("price {0} is of the same thing as an earlier one")]
    Repeated(usize),
    /// The number of the price in the list, from 0, and its fault.
    #[error("price {0} is out of bounds")]
    Price(usize, #[source] PriceFault),
    #[error("the prices are in {0}: all prices of a node have one currency")]
    OtherCurrency(Currency),
}

/// The prices in force at a moment.
#[derive(Debug, Clone, Copy)]
pub struct PriceList<'a> {
    pub currency: Currency,
    /// The client's own, which come first.
    own: Option<&'a PricesSet>,
    platform: Option<&'a PricesSet>,
}

impl<'a> PriceList<'a> {
    /// The price of something: the client's own before the platform's, and of these the one that names most.
    #[must_use]
    pub fn find(&self, component: Component, unit: Unit, provider: &str, model: &str) -> Option<&'a Price> {
        let best = |set: &'a PricesSet| {
            let fits = set
                .prices
                .iter()
                .filter_map(|price| price.fit(component, unit, provider, model).map(|fit| (fit, price)));
            fits.max_by_key(|(fit, _)| *fit).map(|(_, price)| price)
        };
        self.own.and_then(best).or_else(|| self.platform.and_then(best))
    }

    /// Only the list that prices the carrier: the client's own if it has any price for it, else the platform's.
    pub(super) fn of_carrier(&self, provider: &str) -> Self {
        let prices_it = |set: &&PricesSet| {
            let fits = |price: &Price| price.fit(Component::Carrier, price.unit, provider, "").is_some();
            set.prices.iter().any(fits)
        };
        match self.own.filter(prices_it) {
            Some(own) => Self { own: Some(own), platform: None, ..*self },
            None => Self { own: None, ..*self },
        }
    }

    /// The client's own list in force, if it has one.
    #[must_use]
    pub fn own(&self) -> Option<&'a PricesSet> {
        self.own
    }

    /// The platform's list in force, if it has one.
    #[must_use]
    pub fn platform(&self) -> Option<&'a PricesSet> {
        self.platform
    }
}

/// All lists ever set, in the order they were set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceBook {
    lists: Vec<PricesSet>,
}

impl PriceBook {
    /// Whether no price was ever set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    fn of(&self, client: Option<ClientId>) -> impl Iterator<Item = &PricesSet> {
        self.lists.iter().filter(move |list| list.client == client)
    }

    /// The prices for a client in force at a moment; `None` when there are none.
    #[must_use]
    pub fn in_force(&self, client: ClientId, at: Time) -> Option<PriceList<'_>> {
        let newest =
            |of| self.of(of).filter(|list| list.effective_from <= at).max_by_key(|list| list.effective_from);
        let (own, platform) = (newest(Some(client)), newest(None));
        let currency = own.or(platform)?.currency;
        Some(PriceList { currency, own, platform })
    }

    /// Lists of the platform (`None`) or of a client that hold at `at` or later, in the order they begin.
    #[must_use]
    pub fn from(&self, client: Option<ClientId>, at: Time) -> Vec<&PricesSet> {
        let now =
            self.of(client).filter(|list| list.effective_from <= at).max_by_key(|list| list.effective_from);
        let mut lists: Vec<_> =
            now.into_iter().chain(self.of(client).filter(|list| list.effective_from > at)).collect();
        lists.sort_by_key(|list| list.effective_from);
        lists
    }
}

impl PriceBookId {
    /// The book of the node: there is one.
    pub const OF_NODE: Self = Self(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0011));
}

impl Aggregate for PriceBook {
    const CATEGORY: &'static str = PriceBookId::CATEGORY;
    type Command = PriceBookCommand;
    type Event = PriceBookEvent;
    type Refusal = PriceBookRefusal;

    fn decide(&self, command: &PriceBookCommand) -> Result<Vec<PriceBookEvent>, PriceBookRefusal> {
        let PriceBookCommand::Set { client, currency, prices, effective_from, now } = command;
        if effective_from.is_some_and(|from| from < *now) {
            return Err(PriceBookRefusal::Past);
        }
        // the newest list holds although the clock went back since the one before it was set to hold at once
        let begun = self.of(*client).filter(|list| list.effective_from == list.at);
        let after = begun.map(|list| list.effective_from + TimeDelta::microseconds(1)).max();
        let begins = effective_from.unwrap_or(after.map_or(*now, |after| after.max(*now)));
        if prices.len() > MAX_PRICES {
            return Err(PriceBookRefusal::TooMany);
        }
        if let Some(other) = self.lists.first().map(|list| list.currency).filter(|other| other != currency) {
            return Err(PriceBookRefusal::OtherCurrency(other));
        }
        for (at, price) in prices.iter().enumerate() {
            price.check().map_err(|fault| PriceBookRefusal::Price(at, fault))?;
            let same = |other: &Price| {
                let of = |price: &Price| {
                    (price.component, price.unit, price.provider.clone(), price.model.clone())
                };
                of(other) == of(price)
            };
            if prices[..at].iter().any(same) {
                return Err(PriceBookRefusal::Repeated(at));
            }
        }
        // the same list again is no news, wherever it is the last one
        let last = self.of(*client).max_by_key(|list| list.effective_from);
        if last.is_some_and(|last| last.prices == *prices && last.effective_from <= begins) {
            return Ok(vec![]);
        }
        if self.of(*client).count() >= MAX_LISTS {
            return Err(PriceBookRefusal::TooManyLists);
        }
        let (client, currency, prices) = (*client, *currency, prices.clone());
        Ok(vec![PricesSet { client, currency, prices, effective_from: begins, at: *now }.into()])
    }

    fn evolve(&mut self, event: &PriceBookEvent) {
        let PriceBookEvent::Set(set) = event;
        // a list that was to begin at the same moment is replaced
        self.lists.retain(|list| (list.client, list.effective_from) != (set.client, set.effective_from));
        self.lists.push(set.clone());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::price::Rounding;
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    const CLIENT: ClientId = ClientId(Uuid::from_u128(7));

    fn price(provider: Option<&str>, model: Option<&str>, amount: i64) -> Price {
        Price {
            component: Component::Llm,
            provider: provider.map(str::to_owned),
            model: model.map(str::to_owned),
            unit: Unit::InputToken,
            per: 1_000_000,
            price: amount,
            increment: 1,
            minimum: 0,
            rounding: Rounding::HalfUp,
        }
    }

    fn set(client: Option<ClientId>, prices: &[Price], from: i64, now: i64) -> PriceBookCommand {
        let (currency, effective_from) = (Currency::USD, Some(at(from)));
        PriceBookCommand::Set { client, currency, prices: prices.to_vec(), effective_from, now: at(now) }
    }

    fn found(book: &PriceBook, moment: i64, provider: &str, model: &str) -> Option<i64> {
        let list = book.in_force(CLIENT, at(moment))?;
        list.find(Component::Llm, Unit::InputToken, provider, model).map(|price| price.price)
    }

    #[test]
    fn a_list_holds_from_its_moment_until_the_next_one() {
        let book = scenario::<PriceBook>().after([
            set(None, &[price(None, None, 1)], 10, 5),
            set(None, &[price(None, None, 3)], 30, 6),
            set(None, &[price(None, None, 2)], 20, 7),
        ]);
        let prices = [9, 10, 19, 20, 29, 30, 99].map(|moment| found(book.state(), moment, "groq", "m"));
        assert_eq!(prices, [None, Some(1), Some(1), Some(2), Some(2), Some(3), Some(3)]);
    }

    #[test]
    fn the_list_set_last_holds_although_the_clock_went_back() {
        let now = |price: i64, now: i64| PriceBookCommand::Set {
            client: None,
            currency: Currency::USD,
            prices: vec![self::price(None, None, price)],
            effective_from: None,
            now: at(now),
        };
        let book = scenario::<PriceBook>().after([now(1, 100), now(2, 90)]);
        assert_eq!(found(book.state(), 101, "groq", "m"), Some(2));
        assert_eq!(found(book.state(), 100, "groq", "m"), Some(1));
    }

    #[test]
    fn prices_never_change_the_past() {
        let book = scenario::<PriceBook>().after([set(None, &[price(None, None, 1)], 10, 10)]);
        book.clone().when(set(None, &[price(None, None, 2)], 19, 20)).then_refused(PriceBookRefusal::Past);
        let later = book.after([set(None, &[price(None, None, 2)], 20, 20)]);
        assert_eq!(found(later.state(), 15, "groq", "m"), Some(1));
    }

    #[test]
    fn a_clients_own_price_comes_first_and_the_closest_of_these() {
        let platform =
            [price(None, None, 1), price(Some("groq"), None, 2), price(Some("groq"), Some("big"), 3)];
        let book = scenario::<PriceBook>().after([set(None, &platform, 1, 1)]);
        let prices = |book: &PriceBook| {
            [("openai", "x"), ("groq", "x"), ("groq", "big")].map(|(p, m)| found(book, 9, p, m))
        };
        assert_eq!(prices(book.state()), [Some(1), Some(2), Some(3)]);
        let book = book.after([set(Some(CLIENT), &[price(Some("groq"), None, 9)], 2, 2)]);
        assert_eq!(prices(book.state()), [Some(1), Some(9), Some(9)]);
        // an empty list takes them back
        let book = book.after([set(Some(CLIENT), &[], 3, 3)]);
        assert_eq!(prices(book.state()), [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn bad_lists_are_refused_and_the_same_list_is_no_news() {
        let book = scenario::<PriceBook>().after([set(None, &[price(None, None, 1)], 1, 1)]);
        book.clone().when(set(None, &[price(None, None, 1)], 5, 5)).then_nothing();
        let twice = [price(None, None, 1), price(None, None, 2)];
        book.clone().when(set(None, &twice, 5, 5)).then_refused(PriceBookRefusal::Repeated(1));
        let negative = book.clone().when(set(None, &[price(None, None, -1)], 5, 5));
        assert!(matches!(negative.decision(), Err(PriceBookRefusal::Price(0, _))));
        let many = vec![price(None, None, 1); MAX_PRICES + 1];
        book.clone().when(set(None, &many, 5, 5)).then_refused(PriceBookRefusal::TooMany);
        let euros = PriceBookCommand::Set {
            client: Some(CLIENT),
            currency: "EUR".parse().unwrap(),
            prices: vec![],
            effective_from: None,
            now: at(9),
        };
        book.when(euros).then_refused(PriceBookRefusal::OtherCurrency(Currency::USD));
    }
}
