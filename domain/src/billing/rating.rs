//! What a call used, and what that costs by the prices in force when it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::currency::Currency;
use super::entry::Component;
use super::price::Unit;
use super::price_book::PriceList;
use crate::agent::AgentRuntime;
use crate::call::CallEvent;
use crate::conversation::ConversationEvent;
use crate::envelope::Time;
use crate::ids::{AgentId, ConversationId};
use crate::model::{ModelRef, Usage};
use crate::money::Money;

/// Most models whose tokens are counted apart in one call.
const MAX_MODELS: usize = 20;

/// What a call used, folded from its own events and those of its conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallUsage {
    /// Carrier of the call; empty until it is known.
    pub provider: String,
    pub agent: Option<AgentId>,
    pub conversation: Option<ConversationId>,
    pub answered_at: Option<Time>,
    pub ended_at: Option<Time>,
    /// What the carrier charged so far.
    pub cost: Option<Money>,
    /// Whether its speech was transcribed.
    pub transcribed: bool,
    /// Characters that were spoken on it.
    pub characters: u64,
    /// Whether another application controls its leg.
    pub foreign: bool,
    /// Whether another call took it in, and is charged for both.
    pub merged: bool,
    /// What talks on it.
    pub runtime: AgentRuntime,
    /// Milliseconds that a hosted voice runtime bills; `None` until it says so.
    pub runtime_ms: Option<u64>,
    /// Tokens of each model: read and written.
    pub tokens: BTreeMap<(String, String), (u64, u64)>,
}

impl CallUsage {
    /// Adds an event of the call.
    pub fn take(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Received(received) => {
                self.provider.clone_from(&received.provider);
                self.foreign = received.foreign;
                self.runtime = AgentRuntime::of_provider(&received.provider);
            }
            CallEvent::LegIdentified(known) => self.foreign = known.foreign,
            CallEvent::Merged(_) => self.merged = true,
            CallEvent::DialAccepted(accepted) => self.provider.clone_from(&accepted.provider),
            CallEvent::Queued(queued) => {
                self.agent = queued.agent_id;
                self.runtime = queued.runtime;
            }
            CallEvent::RuntimeBilled(billed) => self.runtime_ms = Some(billed.bill.duration_ms),
            CallEvent::AgentRequested(requested) => {
                self.agent = Some(requested.agent_id);
                self.conversation = Some(requested.conversation_id);
            }
            CallEvent::Answered(answered) => self.answered_at = Some(answered.at),
            CallEvent::TranscriptionRequested(_) => self.transcribed = true,
            CallEvent::SpeechRequested(said) => {
                let characters = said.text.reveal().map_or(0, |text| text.chars().count());
                self.characters = self.characters.saturating_add(characters as u64);
            }
            CallEvent::CostRecorded(recorded) => self.cost = Some(recorded.cost.clone()),
            CallEvent::Ended(ended) => self.ended_at = Some(ended.at),
            CallEvent::EndCorrected(corrected) => self.ended_at = Some(corrected.0.at),
            _ => {}
        }
    }

    /// Adds an event of the call's conversation: each turn and each round of tools has its tokens.
    pub fn take_turn(&mut self, event: &ConversationEvent) {
        match event {
            ConversationEvent::TurnCompleted(turn) => self.count(&turn.by, &turn.usage),
            ConversationEvent::ToolsCalled(round) => self.count(&round.by, &round.usage),
            _ => {}
        }
    }

    fn count(&mut self, by: &ModelRef, usage: &Usage) {
        let key = (by.provider.as_str().to_owned(), by.model.clone());
        if self.tokens.len() >= MAX_MODELS && !self.tokens.contains_key(&key) {
            return;
        }
        let (read, written) = self.tokens.entry(key).or_default();
        *read = read.saturating_add(usage.input);
        *written = written.saturating_add(usage.output);
    }

    /// Seconds from the answer to the end, a begun one counted; 0 without an answer, or with an end before it.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let ms = self.answered_at.zip(self.ended_at).map_or(0, |(from, to)| (to - from).num_milliseconds());
        u64::try_from(ms).unwrap_or(0).div_ceil(1_000)
    }
}

/// A line of what a call costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostItem {
    pub component: Component,
    /// Provider whose service it is; empty for the platform's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Model that was used; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Units that are charged, after rounding.
    pub quantity: u64,
    pub unit: Unit,
    /// Price of `per` units, in millionths.
    pub price: i64,
    pub per: u64,
    /// What the line costs, in millionths.
    pub amount: i64,
}

/// What a call costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rated {
    pub currency: Currency,
    pub items: Vec<CostItem>,
    /// What the carrier itself charged, in millionths; 0 until it says so, or in another currency.
    pub provider_cost: i64,
}

/// An amount does not fit: a price or a quantity is absurd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the call costs does not fit into the ledger: check the prices")]
pub struct TooMuch;

impl Rated {
    /// Sum of the items.
    pub fn total(&self) -> Result<i64, TooMuch> {
        self.items.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.amount)).ok_or(TooMuch)
    }

    /// Sum of the items of a component.
    pub fn of(&self, component: Component) -> Result<i64, TooMuch> {
        let mut items = self.items.iter().filter(|item| item.component == component);
        items.try_fold(0_i64, |sum, item| sum.checked_add(item.amount)).ok_or(TooMuch)
    }
}

/// Rates a call. Things without a price cost nothing and make no item; a call that another application controls, or
/// that was merged into another, costs nothing at all.
///
/// A carrier that says what it charged is rated by its own charge where there is a price for that, else by the time.
/// Fails when an amount does not fit.
pub fn rate(prices: &PriceList<'_>, usage: &CallUsage) -> Result<Rated, TooMuch> {
    if usage.foreign || usage.merged {
        return Ok(Rated { currency: prices.currency, items: Vec::new(), provider_cost: 0 });
    }
    let currency = prices.currency;
    let cost = usage.cost.as_ref().filter(|cost| cost.currency == currency.as_str());
    let provider_cost = cost.map_or(0, |cost| cost.amount_micros.max(0));
    let mut lines = Lines { prices, items: Vec::new() };
    let carrier = usage.provider.as_str();
    let (seconds, answered) = (usage.seconds(), u64::from(usage.answered_at.is_some()));
    // time and the carrier's own charge are two ways to price the same: both are looked for in one list
    let of_carrier = prices.of_carrier(carrier);
    let by_cost = cost.is_some() && of_carrier.find(Component::Carrier, Unit::Cost, carrier, "").is_some();
    lines.prices = &of_carrier;
    if by_cost {
        lines.add(Component::Carrier, Unit::Cost, carrier, "", provider_cost.unsigned_abs())?;
    } else {
        lines.add(Component::Carrier, Unit::Second, carrier, "", seconds)?;
        lines.add(Component::Carrier, Unit::Request, carrier, "", answered)?;
    }
    lines.prices = prices;
    if usage.runtime.is_hosted() {
        let seconds = usage.runtime_ms.map_or(0, |ms| ms.div_ceil(1_000));
        lines.add(Component::Runtime, Unit::Second, usage.runtime.as_str(), "", seconds)?;
        lines.add(Component::Runtime, Unit::Request, usage.runtime.as_str(), "", answered)?;
    }
    if usage.transcribed {
        lines.add(Component::Stt, Unit::Second, carrier, "", seconds)?;
    }
    for ((provider, model), (read, written)) in &usage.tokens {
        lines.add(Component::Llm, Unit::InputToken, provider, model, *read)?;
        lines.add(Component::Llm, Unit::OutputToken, provider, model, *written)?;
    }
    // a voice runtime speaks at its own cost
    if !usage.runtime.is_hosted() {
        lines.add(Component::Tts, Unit::Character, carrier, "", usage.characters)?;
    }
    lines.add(Component::Platform, Unit::Second, "", "", seconds)?;
    lines.add(Component::Platform, Unit::Request, "", "", answered)?;
    Ok(Rated { currency, items: lines.items, provider_cost })
}

/// What so many seconds of a call are likely to cost: everything that is charged by time or by call, transcription
/// included. Fails when an amount does not fit.
pub fn estimate(prices: &PriceList<'_>, provider: &str, seconds: u64) -> Result<i64, TooMuch> {
    let of_carrier = prices.of_carrier(provider);
    let mut lines = Lines { prices, items: Vec::new() };
    let hosted = AgentRuntime::of_provider(provider).is_hosted();
    let speech = if hosted { Component::Runtime } else { Component::Stt };
    for component in [Component::Carrier, speech, Component::Platform] {
        lines.prices = if component == Component::Carrier { &of_carrier } else { prices };
        let provider = if component == Component::Platform { "" } else { provider };
        lines.add(component, Unit::Second, provider, "", seconds)?;
        lines.add(component, Unit::Request, provider, "", 1)?;
    }
    Rated { currency: prices.currency, items: lines.items, provider_cost: 0 }.total()
}

struct Lines<'a> {
    prices: &'a PriceList<'a>,
    items: Vec<CostItem>,
}

impl Lines<'_> {
    fn add(
        &mut self,
        component: Component,
        unit: Unit,
        provider: &str,
        model: &str,
        quantity: u64,
    ) -> Result<(), TooMuch> {
        let Some(price) = self.prices.find(component, unit, provider, model) else { return Ok(()) };
        let quantity = price.charged_quantity(quantity);
        if quantity == 0 {
            return Ok(());
        }
        let amount = price.amount_of(quantity).ok_or(TooMuch)?;
        let (provider, model) = (provider.to_owned(), model.to_owned());
        let (per, price) = (price.per, price.price);
        self.items.push(CostItem { component, provider, model, quantity, unit, price, per, amount });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::price::{Price, Rounding};
    use super::super::price_book::{PriceBook, PriceBookCommand};
    use super::*;
    use crate::aggregate::Aggregate as _;
    use crate::ids::ClientId;
    use crate::testing::calls::at;

    const CLIENT: ClientId = ClientId(Uuid::from_u128(7));

    fn price(component: Component, unit: Unit, per: u64, price: i64, increment: u64) -> Price {
        let (provider, model, rounding) = (None, None, Rounding::HalfUp);
        Price { component, provider, model, unit, per, price, increment, minimum: 0, rounding }
    }

    fn book(prices: Vec<Price>) -> PriceBook {
        let mut book = PriceBook::default();
        let (client, currency, effective_from) = (None, Currency::USD, None);
        let set = PriceBookCommand::Set { client, currency, prices, effective_from, now: at(0) };
        for event in book.decide(&set).unwrap() {
            book.evolve(&event);
        }
        book
    }

    fn everything() -> PriceBook {
        book(vec![
            price(Component::Carrier, Unit::Second, 60, 12_000, 60),
            price(Component::Carrier, Unit::Cost, 100, 120, 1),
            price(Component::Stt, Unit::Second, 60, 6_000, 1),
            price(Component::Llm, Unit::InputToken, 1_000_000, 150_000, 1),
            price(Component::Llm, Unit::OutputToken, 1_000_000, 600_000, 1),
            price(Component::Tts, Unit::Character, 1_000, 15_000, 1),
            price(Component::Platform, Unit::Second, 60, 5_000, 6),
            price(Component::Platform, Unit::Request, 1, 1_000, 1),
        ])
    }

    fn usage() -> CallUsage {
        CallUsage {
            provider: "telnyx".to_owned(),
            answered_at: Some(at(100)),
            ended_at: Some(at(190)),
            transcribed: true,
            characters: 400,
            tokens: BTreeMap::from([(("groq".to_owned(), "m".to_owned()), (2_000, 500))]),
            ..CallUsage::default()
        }
    }

    fn rated(book: &PriceBook, usage: &CallUsage) -> Vec<(&'static str, &'static str, u64, i64)> {
        let rated = rate(&book.in_force(CLIENT, at(9)).unwrap(), usage).unwrap();
        let line =
            |item: &CostItem| (item.component.as_str(), item.unit.as_str(), item.quantity, item.amount);
        let sums: i64 = Component::ALL.iter().map(|component| rated.of(*component).unwrap()).sum();
        assert_eq!(rated.total(), Ok(sums));
        rated.items.iter().map(line).collect()
    }

    #[test]
    fn a_call_costs_the_sum_of_its_parts() {
        let expected = [
            ("carrier", "second", 120, 24_000),
            ("stt", "second", 90, 9_000),
            ("llm", "input_token", 2_000, 300),
            ("llm", "output_token", 500, 300),
            ("tts", "character", 400, 6_000),
            ("platform", "second", 90, 7_500),
            ("platform", "request", 1, 1_000),
        ];
        assert_eq!(rated(&everything(), &usage()), expected);
    }

    #[test]
    fn the_carriers_own_charge_comes_before_the_price_of_time() {
        let dollars = |amount_micros| Some(Money { amount_micros, currency: "USD".to_owned() });
        let told = CallUsage { cost: dollars(14_400), ..usage() };
        assert_eq!(rated(&everything(), &told)[0], ("carrier", "cost", 14_400, 17_280));
        // without a price for it, and in another currency, the time counts
        let timed = book(vec![price(Component::Carrier, Unit::Second, 60, 12_000, 60)]);
        assert_eq!(rated(&timed, &told), [("carrier", "second", 120, 24_000)]);
        let euros = Some(Money { amount_micros: 14_400, currency: "EUR".to_owned() });
        let foreign = CallUsage { cost: euros, ..usage() };
        assert_eq!(rated(&everything(), &foreign)[0], ("carrier", "second", 120, 24_000));
        let prices = everything();
        let list = prices.in_force(CLIENT, at(9)).unwrap();
        assert_eq!(rate(&list, &foreign).unwrap().provider_cost, 0);
    }

    #[test]
    fn a_call_that_nobody_answered_costs_only_what_was_used() {
        let unanswered = CallUsage { answered_at: None, transcribed: false, characters: 0, ..usage() };
        let unanswered = CallUsage { tokens: BTreeMap::new(), ..unanswered };
        assert_eq!(rated(&everything(), &unanswered), []);
        let backwards = CallUsage { ended_at: Some(at(50)), ..usage() };
        assert_eq!(backwards.seconds(), 0);
    }

    #[test]
    fn an_estimate_counts_everything_that_goes_by_time_or_call() {
        let book = everything();
        let list = book.in_force(CLIENT, at(9)).unwrap();
        assert_eq!(estimate(&list, "telnyx", 60), Ok(12_000 + 6_000 + 5_000 + 1_000));
        assert_eq!(estimate(&list, "telnyx", 61), Ok(24_000 + 6_100 + 5_500 + 1_000));
    }

    #[test]
    fn a_voice_runtime_is_charged_by_what_it_bills_and_speaks_at_its_own_cost() {
        let book = book(vec![
            price(Component::Runtime, Unit::Second, 60, 50_000, 6),
            price(Component::Tts, Unit::Character, 1_000, 15_000, 1),
            price(Component::Platform, Unit::Request, 1, 1_000, 1),
        ]);
        let hosted = |runtime_ms| CallUsage {
            provider: "ultravox".to_owned(),
            runtime: AgentRuntime::Ultravox,
            runtime_ms,
            transcribed: false,
            tokens: BTreeMap::new(),
            ..usage()
        };
        let fee = ("platform", "request", 1, 1_000);
        assert_eq!(rated(&book, &hosted(None)), [fee], "not billed yet");
        // 91.5 seconds are 92, in increments of six 96
        assert_eq!(rated(&book, &hosted(Some(91_500))), [("runtime", "second", 96, 80_000), fee]);
        // a bill of a call that nobody else hosts changes nothing
        let own = CallUsage { runtime: AgentRuntime::Carrier, characters: 0, ..hosted(Some(91_500)) };
        assert_eq!(rated(&book, &own), [fee]);
        let list = book.in_force(CLIENT, at(9)).unwrap();
        assert_eq!(estimate(&list, "ultravox", 60), Ok(50_000 + 1_000));
        assert_eq!(estimate(&list, "telnyx", 60), Ok(1_000));
    }

    #[test]
    fn a_clients_own_price_of_time_is_not_replaced_by_the_platforms_price_of_the_carriers_charge() {
        let mut prices = book(vec![price(Component::Carrier, Unit::Cost, 100, 120, 1)]);
        let own = PriceBookCommand::Set {
            client: Some(CLIENT),
            currency: Currency::USD,
            prices: vec![price(Component::Carrier, Unit::Second, 60, 3_000, 1)],
            effective_from: None,
            now: at(1),
        };
        for event in prices.decide(&own).unwrap() {
            prices.evolve(&event);
        }
        let cost = Some(Money { amount_micros: 14_400, currency: "USD".to_owned() });
        let told = CallUsage { cost, ..usage() };
        assert_eq!(rated(&prices, &told), [("carrier", "second", 90, 4_500)]);
    }

    #[test]
    fn a_call_of_another_application_or_merged_into_another_costs_nothing() {
        let foreign = CallUsage { foreign: true, ..usage() };
        let merged = CallUsage { merged: true, ..usage() };
        for usage in [foreign, merged] {
            assert_eq!(rated(&everything(), &usage), []);
        }
    }

    #[test]
    fn an_amount_that_does_not_fit_is_an_error() {
        let book = book(vec![price(Component::Tts, Unit::Character, 1, 1_000_000_000_000, 1)]);
        let list = book.in_force(CLIENT, at(9)).unwrap();
        let absurd = CallUsage { characters: u64::MAX, ..usage() };
        assert_eq!(rate(&list, &absurd), Err(TooMuch));
    }
}
