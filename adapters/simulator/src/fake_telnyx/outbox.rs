//! Sends a leg's webhooks one after the other, except where faults reorder, repeat or lose them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::chance::SeededRandom;
use super::notice::Notice;
use super::switch::Switch;

/// Webhooks of one leg that may wait to be sent; a leg that has more waits.
const ROOM: usize = 64;
/// How long a webhook waits for another one to overtake it.
const OVERTAKING: Duration = Duration::from_millis(20);

/// Delivery counts of a leg's webhooks.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub webhooks: AtomicU64,
    pub lost: AtomicU64,
    pub given_up: AtomicU64,
    /// The highest [`Notice::number`] delivered so far.
    pub delivered: watch::Sender<u64>,
}

impl Fate {
    fn delivered(&self, notice: &Notice) {
        self.delivered.send_modify(|highest| *highest = notice.number.max(*highest));
    }
}

/// The queue that a leg puts its webhooks into.
#[derive(Debug)]
pub(super) struct Outbox {
    way_in: mpsc::Sender<Notice>,
    emptied: mpsc::Receiver<()>,
    fate: Arc<Fate>,
}

impl Outbox {
    pub fn open(switch: &Arc<Switch>, random: SeededRandom, fate: Arc<Fate>) -> Self {
        let (way_in, notices) = mpsc::channel(ROOM);
        let (alive, emptied) = mpsc::channel(1);
        let clerk = Clerk { switch: switch.clone(), random, fate: fate.clone(), alive };
        tokio::spawn(clerk.work(notices));
        Self { way_in, emptied, fate }
    }

    pub async fn put(&self, mut notice: Notice) {
        notice.number = self.fate.webhooks.fetch_add(1, Ordering::Relaxed) + 1;
        let _ = self.way_in.send(notice).await; // closed only when the fake is shut down
    }

    /// Waits until every webhook was delivered or given up.
    pub async fn close(self) {
        let Self { way_in, mut emptied, .. } = self;
        drop(way_in);
        emptied.recv().await;
    }
}

struct Clerk {
    switch: Arc<Switch>,
    random: SeededRandom,
    fate: Arc<Fate>,
    /// Held by every task that still has something to deliver.
    alive: mpsc::Sender<()>,
}

impl Clerk {
    async fn work(mut self, mut notices: mpsc::Receiver<Notice>) {
        let mut closing = self.switch.closing();
        let mut aside: Option<Arc<Notice>> = None;
        loop {
            let clock = &self.switch.clock;
            let patience = clock.now() + OVERTAKING;
            tokio::select! {
                biased;
                () = closing.announced() => return,
                next = notices.recv() => {
                    let Some(next) = next.map(Arc::new) else { break };
                    self.note(|totals| totals.webhooks += 1);
                    if aside.is_none() && self.random.roll(self.switch.config.mischief.shuffle) {
                        self.note(|totals| totals.shuffled += 1);
                        aside = Some(next);
                        continue;
                    }
                    self.hand_over(next).await;
                }
                () = clock.sleep_until(patience), if aside.is_some() => {}
            }
            if let Some(overtaken) = aside.take() {
                self.hand_over(overtaken).await;
            }
        }
        if let Some(last) = aside {
            self.hand_over(last).await;
        }
    }

    async fn hand_over(&mut self, notice: Arc<Notice>) {
        let mischief = self.switch.config.mischief;
        if self.random.roll(mischief.lose) {
            self.note(|totals| totals.lost += 1);
            self.fate.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.random.roll(mischief.duplicate) {
            self.note(|totals| totals.duplicates += 1);
            tokio::spawn(self.delivery(notice.clone(), Duration::ZERO).all());
        }
        if self.random.roll(mischief.delay) {
            self.note(|totals| totals.delayed += 1);
            let late = mischief.delay_by.mul_f64(self.random.fraction());
            tokio::spawn(self.delivery(notice, late).all());
            return;
        }
        let delivery = self.delivery(notice, Duration::ZERO);
        if self.switch.courier.attempt(&delivery.notice, 1).await {
            self.fate.delivered(&delivery.notice);
        } else {
            // nobody waits for a webhook that is in trouble: later ones overtake it, as they do at Telnyx
            tokio::spawn(delivery.rest());
        }
    }

    fn delivery(&self, notice: Arc<Notice>, late: Duration) -> Delivery {
        Delivery {
            switch: self.switch.clone(),
            notice,
            late,
            fate: self.fate.clone(),
            _alive: self.alive.clone(),
        }
    }

    fn note(&self, change: impl FnOnce(&mut super::ledger::Totals)) {
        change(&mut self.switch.courier.lock().totals);
    }
}

struct Delivery {
    switch: Arc<Switch>,
    notice: Arc<Notice>,
    late: Duration,
    fate: Arc<Fate>,
    _alive: mpsc::Sender<()>,
}

impl Delivery {
    async fn all(self) {
        if !self.late.is_zero() {
            let clock = &self.switch.clock;
            let mut closing = self.switch.closing();
            tokio::select! {
                () = clock.sleep(self.late) => {}
                () = closing.announced() => return,
            }
        }
        if self.switch.courier.attempt(&self.notice, 1).await {
            self.fate.delivered(&self.notice);
        } else {
            self.rest().await;
        }
    }

    async fn rest(self) {
        if self.switch.courier.insist(&self.notice, 1).await {
            self.fate.delivered(&self.notice);
        } else {
            self.fate.given_up.fetch_add(1, Ordering::Relaxed);
            self.switch.courier.lock().totals.given_up += 1;
        }
    }
}
