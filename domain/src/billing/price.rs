//! A price: what so many units of something cost, and how quantities and amounts are rounded.

use serde::{Deserialize, Serialize};

use super::entry::Component;

/// Longest name of a provider or a model.
const MAX_NAME: usize = 200;
/// Largest price, in millionths: a million of the currency's unit.
const MAX_PRICE: i64 = 1_000_000_000_000;
/// Largest number of units that a price is for, and largest increment and minimum.
const MAX_UNITS: u64 = 1_000_000_000;

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a price is counted in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Unit { $($(#[$doc])* #[serde(rename = $word)] $name,)* }

        impl Unit {
            pub const ALL: &'static [Unit] = &[$(Unit::$name,)*];

            /// Name as stored and shown, for example `second`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Unit::$name => $word,)* }
            }
        }
    };
}

units! {
    /// A second from the answer to the end; a begun second counts.
    Second = "second",
    /// A token that a model read.
    InputToken = "input_token",
    /// A token that a model wrote.
    OutputToken = "output_token",
    /// A character that was spoken.
    Character = "character",
    /// A call that was answered.
    Request = "request",
    /// A millionth of what the provider itself charged: for prices that are a markup.
    Cost = "cost",
}

/// How an amount becomes a whole number of millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest; halves away from zero.
    #[default]
    HalfUp,
    Up,
    Down,
}

/// What so many units cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub component: Component,
    /// `None`: of any provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `None`: of any model. Only together with a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub unit: Unit,
    /// Number of units that the price is for: 60 makes it a price of a minute.
    pub per: u64,
    /// Price of so many units, in millionths; 0 is free.
    pub price: i64,
    /// Quantities are rounded up to a multiple of it: 6 for six-second increments.
    pub increment: u64,
    /// The least quantity that is charged, where there is any.
    pub minimum: u64,
    pub rounding: Rounding,
}

/// What is wrong with a price: the field, and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {advice}")]
pub struct PriceFault {
    pub field: &'static str,
    pub advice: &'static str,
}

impl Price {
    /// Checks the bounds. Fails with the field at fault.
    pub fn check(&self) -> Result<(), PriceFault> {
        let fault = |field, advice| Err(PriceFault { field, advice });
        let named = |name: &Option<String>| {
            name.as_ref().is_none_or(|name| (1..=MAX_NAME).contains(&name.chars().count()))
        };
        if !named(&self.provider) {
            return fault("provider", "give 1 to 200 characters, or leave it out for any provider");
        }
        if !named(&self.model) || (self.model.is_some() && self.provider.is_none()) {
            return fault("model", "give 1 to 200 characters, and its provider");
        }
        if !(1..=MAX_UNITS).contains(&self.per) {
            return fault("per", "give the number of units that the price is for, 1 to 1000000000");
        }
        if !(0..=MAX_PRICE).contains(&self.price) {
            return fault("price", "give millionths from 0 to 1000000000000");
        }
        if !(1..=MAX_UNITS).contains(&self.increment) {
            return fault("increment", "give 1 to 1000000000");
        }
        if self.minimum > MAX_UNITS {
            return fault("minimum", "give 0 to 1000000000");
        }
        match (self.component, self.unit) {
            (Component::Carrier, Unit::Second | Unit::Request | Unit::Cost)
            | (Component::Stt, Unit::Second)
            | (Component::Llm, Unit::InputToken | Unit::OutputToken)
            | (Component::Tts, Unit::Character)
            | (Component::Platform | Component::Runtime, Unit::Second | Unit::Request) => Ok(()),
            (Component::Carrier, _) => fault("unit", "give `second`, `request` or `cost` for a carrier"),
            (Component::Stt, _) => fault("unit", "give `second` for speech-to-text"),
            (Component::Llm, _) => fault("unit", "give `input_token` or `output_token` for a model"),
            (Component::Tts, _) => fault("unit", "give `character` for speech"),
            (Component::Platform, _) => fault("unit", "give `second` or `request` for the platform's fee"),
            (Component::Runtime, _) => fault("unit", "give `second` or `request` for a voice runtime"),
        }
    }

    /// The quantity that is charged: nothing stays nothing, anything else is at least the minimum, in increments.
    #[must_use]
    pub fn charged_quantity(&self, quantity: u64) -> u64 {
        if quantity == 0 {
            return 0;
        }
        let increment = self.increment.max(1);
        quantity.max(self.minimum).div_ceil(increment).saturating_mul(increment)
    }

    /// What a charged quantity costs, in millionths; `None` when that does not fit.
    #[must_use]
    pub fn amount_of(&self, charged_quantity: u64) -> Option<i64> {
        let whole = i128::from(charged_quantity) * i128::from(self.price);
        let per = i128::from(self.per.max(1));
        let (down, rest) = (whole.div_euclid(per), whole.rem_euclid(per));
        let up = match self.rounding {
            Rounding::HalfUp => rest * 2 >= per,
            Rounding::Up => rest > 0,
            Rounding::Down => false,
        };
        i64::try_from(down + i128::from(up)).ok()
    }

    /// How well the price fits: `None` when it is of something else, higher the more it names.
    #[must_use]
    pub(super) fn fit(&self, component: Component, unit: Unit, provider: &str, model: &str) -> Option<u8> {
        if (self.component, self.unit) != (component, unit) {
            return None;
        }
        let names = |wanted: &Option<String>, found: &str| match wanted {
            None => Some(0),
            Some(name) => (name == found).then_some(1),
        };
        Some(names(&self.provider, provider)? + names(&self.model, model)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(unit: Unit, per: u64, price: i64) -> Price {
        let (provider, model, rounding) = (None, None, Rounding::HalfUp);
        Price {
            component: Component::Carrier,
            provider,
            model,
            unit,
            per,
            price,
            increment: 1,
            minimum: 0,
            rounding,
        }
    }

    #[test]
    fn quantities_are_charged_in_increments_from_a_minimum_on() {
        let cases = [
            // increment, minimum, quantity, charged
            (1, 0, 0, 0),
            (1, 0, 61, 61),
            (60, 0, 1, 60),
            (60, 60, 0, 0),
            (60, 0, 60, 60),
            (60, 0, 61, 120),
            (6, 30, 7, 30),
            (6, 30, 31, 36),
            (6, 31, 1, 36),
        ];
        for (increment, minimum, quantity, charged) in cases {
            let price = Price { increment, minimum, ..price(Unit::Second, 60, 12_000) };
            assert_eq!(price.charged_quantity(quantity), charged, "{increment} {minimum} {quantity}");
        }
    }

    #[test]
    fn amounts_are_whole_millionths() {
        let cases = [
            // quantity, price, per, half up, up, down
            (60, 12_000, 60, 12_000, 12_000, 12_000),
            (1, 100, 60, 2, 2, 1),
            (1, 1, 3, 0, 1, 0),
            (1, 1, 2, 1, 1, 0),
            (1_234, 150_000, 1_000_000, 185, 186, 185),
            (0, 100, 60, 0, 0, 0),
            (7, 0, 1, 0, 0, 0),
        ];
        for (quantity, amount, per, half_up, up, down) in cases {
            let of = |rounding| Price { rounding, ..price(Unit::Second, per, amount) }.amount_of(quantity);
            let all = [Rounding::HalfUp, Rounding::Up, Rounding::Down].map(of);
            assert_eq!(all, [half_up, up, down].map(Some), "{quantity} × {amount} / {per}");
        }
        assert_eq!(price(Unit::Second, 1, MAX_PRICE).amount_of(u64::MAX), None);
    }

    #[test]
    fn a_price_out_of_bounds_is_refused_by_its_field() {
        let good = price(Unit::Second, 60, 12_000);
        assert_eq!(good.check(), Ok(()));
        let bad = [
            ("price", Price { price: -1, ..good.clone() }),
            ("price", Price { price: MAX_PRICE + 1, ..good.clone() }),
            ("per", Price { per: 0, ..good.clone() }),
            ("increment", Price { increment: 0, ..good.clone() }),
            ("minimum", Price { minimum: MAX_UNITS + 1, ..good.clone() }),
            ("model", Price { model: Some("x".to_owned()), ..good.clone() }),
            ("provider", Price { provider: Some(String::new()), ..good.clone() }),
            ("unit", Price { unit: Unit::Cost, component: Component::Llm, ..good }),
        ];
        for (field, price) in bad {
            assert_eq!(price.check().map_err(|fault| fault.field), Err(field));
        }
    }
}
