//! Commands and rules of a customer.
//!
//! A merge writes to two streams: first the other customer is [merged into](CustomerCommand::MergeInto) this one, which
//! keeps it from changing, then this one [takes it over](CustomerCommand::Merge). An undo goes the other way round. Each
//! step may be repeated, so a node that dies in between does no harm.

use super::event::{
    CustomerCreated, CustomerDeleted, CustomerEvent, CustomerMerged, CustomerMergedInto, CustomerSeparated,
    CustomerUpdated, MergeUndone,
};
use super::profile::{Profile, ProfileFault, ProfilePatch};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{CustomerId, PrivacyJobId};

/// Most customers that one may be merged from, counting those merged into them before.
pub const MAX_MERGED: usize = 50;

pub(super) const TOO_MUCH_TOGETHER: &str = "together they have more than 10 numbers, 10 addresses, or 50 entries or \
                                            16 KiB of metadata: remove some first";

/// A merge, as the customer that stays sees it.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The customer that goes.
    pub other: CustomerId,
    /// What is known of that customer.
    pub profile: Profile,
    /// Customers that had been merged into it before.
    pub with: Vec<CustomerId>,
    pub now: Time,
}

#[derive(Debug, Clone)]
pub enum CustomerCommand {
    Create {
        profile: Box<Profile>,
        now: Time,
    },
    Change {
        patch: Box<ProfilePatch>,
        now: Time,
    },
    Delete {
        /// The customer that this one is merged into, when both are deleted.
        along_with: Option<CustomerId>,
        /// The erasure of the person's data that is asked for, too.
        erasure: Option<PrivacyJobId>,
        now: Time,
    },
    Merge(Box<Merge>),
    UndoMerge {
        other: CustomerId,
        now: Time,
    },
    MergeInto {
        into: CustomerId,
        now: Time,
    },
    /// Lets the customer stand for itself again.
    Separate {
        from: CustomerId,
        now: Time,
    },
}

/// Why the customer refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomerRefusal {
    /// The customer was never created, or is deleted.
    #[error("the customer does not exist")]
    Unknown,
    #[error("the customer exists already")]
    Exists,
    /// The field at fault, and what is wrong with it.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
    #[error("the customer was merged into {0}: use that one, or undo the merge first")]
    Merged(CustomerId),
    #[error("{0} is not merged into this customer: there is nothing to undo")]
    NotMerged(CustomerId),
}

impl From<ProfileFault> for CustomerRefusal {
    fn from((field, detail): ProfileFault) -> Self {
        Self::Invalid(field, detail)
    }
}

/// A customer that was merged into this one.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedCustomer {
    pub id: CustomerId,
    /// Customers that had been merged into it before.
    pub with: Vec<CustomerId>,
    gained: Profile,
}

/// State of a customer, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Customer {
    profile: Option<Profile>,
    /// Profile at creation, to recognise the very same request when it comes again.
    created: Option<Profile>,
    merged: Vec<MergedCustomer>,
    merged_into: Option<CustomerId>,
    deleted: bool,
}

impl Customer {
    /// What is known of the customer; `None` if it does not exist.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref().filter(|_| !self.deleted)
    }

    /// What was last known of the customer, also of a deleted one; `None` if it never existed.
    #[must_use]
    pub fn last_profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Customers merged into this one.
    #[must_use]
    pub fn merged(&self) -> &[MergedCustomer] {
        &self.merged
    }

    /// All customers that this one stands for besides itself.
    #[must_use]
    pub fn all_merged(&self) -> Vec<CustomerId> {
        self.merged.iter().flat_map(|one| std::iter::once(one.id).chain(one.with.iter().copied())).collect()
    }

    /// The customer it was merged into; `None` while it stands for itself.
    #[must_use]
    pub fn merged_into(&self) -> Option<CustomerId> {
        self.merged_into
    }

    /// The profile of a customer that may change.
    fn own(&self) -> Result<&Profile, CustomerRefusal> {
        let profile = self.profile().ok_or(CustomerRefusal::Unknown)?;
        self.merged_into.map_or(Ok(profile), |into| Err(CustomerRefusal::Merged(into)))
    }

    fn merge(&self, merge: &Merge) -> Result<Vec<CustomerEvent>, CustomerRefusal> {
        let own = self.own()?;
        if self.merged.iter().any(|one| one.id == merge.other) {
            return Ok(vec![]);
        }
        let more = 1 + merge.with.len();
        if self.all_merged().len() + more > MAX_MERGED {
            return Err(CustomerRefusal::Invalid("other_id", "at most 50 customers can become one"));
        }
        let gained = own.lacks_of(&merge.profile);
        let profile = own.with(&gained);
        profile.check().map_err(|_| CustomerRefusal::Invalid("other_id", TOO_MUCH_TOGETHER))?;
        let Merge { other, with, now, .. } = merge.clone();
        Ok(vec![CustomerMerged { other, with, gained, profile, at: now }.into()])
    }
}

impl Aggregate for Customer {
    const CATEGORY: &'static str = CustomerId::CATEGORY;
    type Command = CustomerCommand;
    type Event = CustomerEvent;
    type Refusal = CustomerRefusal;

    fn decide(&self, command: &CustomerCommand) -> Result<Vec<CustomerEvent>, CustomerRefusal> {
        match command {
            CustomerCommand::Create { profile, now } => match &self.created {
                None => {
                    profile.check()?;
                    Ok(vec![CustomerCreated { profile: (**profile).clone(), at: *now }.into()])
                }
                // the same request again is no news
                Some(before) if *before == **profile && !self.deleted => Ok(vec![]),
                Some(_) => Err(CustomerRefusal::Exists),
            },
            CustomerCommand::Change { patch, now } => {
                let before = self.own()?;
                let profile = patch.on(before);
                let fields = profile.differing(before);
                if fields.is_empty() {
                    return Ok(vec![]);
                }
                profile.check()?;
                Ok(vec![CustomerUpdated { fields, profile, at: *now }.into()])
            }
            CustomerCommand::Delete { along_with, erasure, now } => {
                if along_with.is_none() || *along_with != self.merged_into {
                    self.own()?;
                }
                self.profile().ok_or(CustomerRefusal::Unknown)?;
                Ok(vec![CustomerDeleted { erasure: *erasure, at: *now }.into()])
            }
            CustomerCommand::Merge(merge) => self.merge(merge),
            CustomerCommand::UndoMerge { other, now } => {
                let own = self.own()?;
                let merged = self.merged.iter().find(|one| one.id == *other);
                let merged = merged.ok_or(CustomerRefusal::NotMerged(*other))?;
                let profile = own.without(&merged.gained);
                Ok(vec![MergeUndone { other: *other, profile, at: *now }.into()])
            }
            CustomerCommand::MergeInto { into, now } => match self.own() {
                Err(CustomerRefusal::Merged(already)) if already == *into => Ok(vec![]),
                Err(refusal) => Err(refusal),
                Ok(_) => Ok(vec![CustomerMergedInto { into: *into, at: *now }.into()]),
            },
            CustomerCommand::Separate { from, now } => {
                self.profile().ok_or(CustomerRefusal::Unknown)?;
                if self.merged_into != Some(*from) {
                    return Ok(vec![]);
                }
                Ok(vec![CustomerSeparated { from: *from, at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Created(created) => {
                self.created = Some(created.profile.clone());
                self.profile = Some(created.profile.clone());
            }
            CustomerEvent::Updated(updated) => self.profile = Some(updated.profile.clone()),
            CustomerEvent::Deleted(_) => self.deleted = true,
            CustomerEvent::Merged(merged) => {
                let CustomerMerged { other, with, gained, profile, .. } = merged.clone();
                self.merged.push(MergedCustomer { id: other, with, gained });
                self.profile = Some(profile);
            }
            CustomerEvent::MergeUndone(undone) => {
                self.merged.retain(|one| one.id != undone.other);
                self.profile = Some(undone.profile.clone());
            }
            CustomerEvent::MergedInto(merged) => self.merged_into = Some(merged.into),
            CustomerEvent::Separated(_) => self.merged_into = None,
        }
    }
}
