//! Makes customers as HubSpot's contacts say.

use actors::privacy::{Begun, begin};
use actors::session::CommandError;
use actors::{CommandContext, Session};
use domain::customer::{Customer, CustomerCommand, CustomerRefusal, Profile, ProfilePatch};
use domain::hubspot::{HubspotCommand, HubspotContact, Mapping};
use domain::ids::{CustomerId, HubspotContactId, PrivacyJobId, SubjectId};
use domain::origin::Origin;
use domain::privacy::job::{JobKind, NamedBy};
use domain::zones::Zones;

use super::super::commands::problem;
use super::super::privacy::customer;
use super::body::number;
use super::delete::remove;
use super::external_id::reserve;
use super::merge::merge;
use crate::backend::Backend;
use crate::problem::{ApiError, Code};

/// How often a contact that changes meanwhile is applied again in one webhook.
const TRIES: usize = 8;

/// A client's account with HubSpot.
#[derive(Debug)]
pub(in super::super) struct Account {
    pub mapping: Mapping,
    /// The only portal whose events are taken; `None` for any.
    pub portal: Option<u64>,
}

/// Brings a customer up to date with its contact. The mark that it is up to date is written only if the contact did not
/// change meanwhile: of two nodes at once, the one that knew less does it again.
pub(in super::super) async fn apply(
    backend: &Backend,
    account: &Account,
    context: &CommandContext,
    portal: u64,
    object: u64,
) -> Result<(), ApiError> {
    let id = HubspotContactId::of(context.client, portal, object);
    for again in 0..TRIES {
        let mut contact = Session::<HubspotContact>::new(backend.runtime.clone(), id.stream());
        contact.ensure_loaded().await.map_err(problem)?;
        if again == 0 && contact.state().is_applied() {
            return Ok(());
        }
        bring_up(backend, account, context, (id, portal), contact.state()).await?;
        let (through, now) = (contact.state().events(), backend.runtime.clock.now());
        let mark = HubspotCommand::Applied { through, now };
        let version = contact.version();
        match contact.execute(&mark, context, Some(version)).await {
            // does not wait for the views: webhooks are taken without them
            Ok(_) => return Ok(()),
            Err(CommandError::VersionMismatch { .. }) => {}
            Err(error) => return Err(problem(error)),
        }
    }
    Err(ApiError::conflict("the contact keeps changing: try again"))
}

async fn bring_up(
    backend: &Backend,
    account: &Account,
    context: &CommandContext,
    (id, portal): (HubspotContactId, u64),
    contact: &HubspotContact,
) -> Result<(), ApiError> {
    let customer = id.customer();
    if let Some(job) = contact.erasure() {
        return erase(backend, context, customer, job).await;
    }
    if contact.is_deleted() {
        return gone(remove(backend, context, customer, None, None).await);
    }
    if contact.merged_into().is_some() {
        // the contact that stays does it
        return Ok(());
    }
    make(backend, account, context, customer, contact).await?;
    for other in contact.newly_merged() {
        let other = HubspotContactId::of(context.client, portal, other);
        let mut goes = Session::<HubspotContact>::new(backend.runtime.clone(), other.stream());
        goes.ensure_loaded().await.map_err(problem)?;
        if !goes.state().is_applied() {
            make(backend, account, context, other.customer(), goes.state()).await?;
        }
        let other = other.customer();
        match merge(backend, context, customer, other).await {
            Ok(_) => {}
            // the other one is not known here, is too much together, or was merged by hand
            Err(error) if matches!(error.code(), Code::InvalidRequest | Code::NotFound | Code::Conflict) => {
                tracing::warn!(customer.id = %customer, %other, "a merge in HubSpot cannot be repeated here");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Creates the customer, or changes the fields whose properties are new.
async fn make(
    backend: &Backend,
    account: &Account,
    context: &CommandContext,
    id: CustomerId,
    contact: &HubspotContact,
) -> Result<(), ApiError> {
    let mut session = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    session.ensure_loaded().await.map_err(problem)?;
    let state = session.state();
    let exists = state.last_profile().is_some();
    // who was deleted or merged here stays so
    if exists && (state.profile().is_none() || state.merged_into().is_some()) {
        return Ok(());
    }
    let before = state.profile().cloned().unwrap_or_default();
    let mut patch = patch(backend, account, context, contact, &before, !exists).await?;
    if let Some(Some(name)) = &patch.external_id
        && Profile::external(&before) != Some(name)
    {
        match reserve(backend, context.client, id, name).await {
            Ok(()) => {}
            Err(error) if error.code() == Code::ExternalIdTaken => patch.external_id = None,
            Err(error) => return Err(error),
        }
    }
    let now = backend.runtime.clock.now();
    let command = match exists {
        true => CustomerCommand::Change { patch: Box::new(patch), now },
        false => CustomerCommand::Create { profile: Box::new(patch.on(&Profile::default())), now },
    };
    match session.execute(&command, context, None).await {
        Ok(_) | Err(CommandError::Refused(CustomerRefusal::Exists | CustomerRefusal::Merged(_))) => Ok(()),
        Err(error) => Err(problem(error)),
    }
}

/// What the new properties change. A value that a customer cannot have is left out.
async fn patch(
    backend: &Backend,
    account: &Account,
    context: &CommandContext,
    contact: &HubspotContact,
    before: &Profile,
    all: bool,
) -> Result<ProfilePatch, ApiError> {
    let mut patch = ProfilePatch::default();
    let own = before.metadata.as_ref().and_then(|metadata| metadata.reveal()).cloned().unwrap_or_default();
    let mut metadata = own.clone();
    for (field, properties) in account.mapping.fields() {
        if !all && !properties.iter().any(|property| contact.is_new(property)) {
            continue;
        }
        let values: Vec<&str> = properties.iter().filter_map(|property| contact.value(property)).collect();
        let joined = Some(values.join(" ")).filter(|text| !text.is_empty());
        match field {
            "external_id" => patch.external_id = Some(joined),
            "name" => patch.name = Some(joined),
            "phones" => {
                let mut phones = Vec::new();
                for value in values {
                    phones.extend(number(backend, context.client, value).await?);
                }
                patch.phones = Some(phones);
            }
            "emails" => {
                let addresses = values.iter().flat_map(|value| value.split(';'));
                patch.emails = Some(addresses.filter_map(|value| value.parse().ok()).collect());
            }
            "language" => patch.language = Some(joined),
            "timezone" => patch.timezone = Some(joined.and_then(|text| zone(backend.menus.zones(), &text))),
            field => {
                if let Some(entry) = Mapping::metadata_entry(field) {
                    match joined {
                        Some(text) => drop(metadata.insert(entry.to_owned(), text.into())),
                        None => drop(metadata.remove(entry)),
                    }
                }
            }
        }
    }
    if metadata != own {
        patch.metadata = Some(metadata);
    }
    // what a customer cannot have is left out, one field at a time
    while let Err((field, _)) = patch.on(before).check() {
        match field {
            "external_id" => patch.external_id = None,
            "name" => patch.name = None,
            "phones" => patch.phones = None,
            "emails" => patch.emails = None,
            "language" => patch.language = None,
            "timezone" => patch.timezone = None,
            _ if patch.metadata.is_some() => patch.metadata = None,
            _ => break,
        }
        tracing::warn!(field, "a property of a HubSpot contact does not fit the customer");
    }
    Ok(patch)
}

/// HubSpot writes `europe_slash_berlin` for `Europe/Berlin`.
fn zone(zones: &Zones, text: &str) -> Option<String> {
    let text = text.replace("_slash_", "/").replace("_hyphen_", "-");
    let name = Zones::name_meant_by(&text)?;
    zones.find(name).map(|_| name.to_owned())
}

/// Erases the person everywhere, and deletes the customer. A repetition does neither again.
async fn erase(
    backend: &Backend,
    context: &CommandContext,
    customer: CustomerId,
    job: PrivacyJobId,
) -> Result<(), ApiError> {
    let subjects = match customer::of(backend, context.client, customer).await {
        Ok(subjects) => subjects,
        // the contact may hold properties though no customer came of it
        Err(error) if error.code() == Code::NotFound => {
            vec![domain::privacy::Subject::Stream(customer.hubspot_contact().stream())]
        }
        Err(error) => return Err(error),
    };
    let mut persons: Vec<SubjectId> = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let id = backend.private.keys().pseudonym(context.client, subject).await;
        let id = id.map_err(ApiError::unavailable)?;
        if !persons.contains(&id) {
            persons.push(id);
        }
    }
    let subject = persons.first().copied().ok_or_else(|| ApiError::not_found("subject"))?;
    let (kind, named_by, origin) = (JobKind::Erase, NamedBy::CustomerId, Origin::default());
    let begun = Begun { id: job, kind, subject, named_by, persons, origin };
    match begin(&backend.privacy, context, begun).await {
        // it was begun before
        Ok(_) | Err(CommandError::Refused(_)) => {}
        Err(error) => return Err(problem(error)),
    }
    gone(remove(backend, context, customer, None, Some(job)).await)
}

/// What is to be gone may be gone already, or be merged into another customer, which stays.
fn gone<T>(removed: Result<T, ApiError>) -> Result<(), ApiError> {
    match removed {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), Code::NotFound | Code::Conflict) => Ok(()),
        Err(error) => Err(error),
    }
}
