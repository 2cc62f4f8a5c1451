//! Faults that a test injects around appends.

/// Switches of a test; without the feature `testing` there are none.
#[derive(Debug, Clone, Default)]
pub(super) struct Injected {
    #[cfg(feature = "testing")]
    faults: Option<conformance::event_store::Faults>,
}

/// What a test does to the answer of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LostAnswer {
    /// Whether the append is made at all.
    pub(super) written: bool,
}

/// What a test does to the appends of a batch.
#[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only a test makes them"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Injection {
    /// They are not made, and say so.
    Refused,
    Lost(LostAnswer),
}

impl Injected {
    #[cfg(feature = "testing")]
    pub(super) fn new(faults: conformance::event_store::Faults) -> Self {
        Self { faults: Some(faults) }
    }

    /// Waits while a test holds the commits.
    pub(super) async fn pass_gate(&self) {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.faults {
            faults.pass_gate().await;
        }
    }

    /// `Some` when the appends of this batch are to fail or lose their answers.
    pub(super) fn next(&self) -> Option<Injection> {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.faults {
            use conformance::event_store::Fate as Lost;
            if faults.refuses_commit() {
                return Some(Injection::Refused);
            }
            let lost = faults.takes_answer();
            return lost.map(|lost| Injection::Lost(LostAnswer { written: lost == Lost::Written }));
        }
        None
    }

    /// Whether the state of the database is hidden.
    pub(super) fn is_blind(&self) -> bool {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.faults {
            return faults.is_blind();
        }
        false
    }
}
