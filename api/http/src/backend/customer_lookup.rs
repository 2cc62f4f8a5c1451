//! Tells whom a conversation is with, by the views.

use std::sync::Arc;

use actors::memory::{CustomerLookup, Person};
use async_trait::async_trait;
use domain::call::terms::Direction;
use domain::ids::{CallId, ClientId, ConversationId, CustomerId};
use domain::phone::Party;
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::calls::Calls;
use projections::conversations::Conversations;
use projections::customers::{CustomerKey, CustomerView, Customers};
use serde::Deserialize;

/// How many merges are followed from a customer to the one it has become.
const HOPS: usize = 10;

/// Looks customers up in the views.
#[derive(Debug, Clone)]
pub struct ViewedCustomers {
    pub views: Arc<dyn Queries>,
}

#[derive(Deserialize)]
struct Talk {
    customer_id: Option<String>,
    user_id: Option<String>,
    call_id: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    direction: Direction,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    customer_id: Option<String>,
}

fn read<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, StoreUnavailable> {
    serde_json::from_str(json).map_err(|error| StoreUnavailable(error.to_string()))
}

impl ViewedCustomers {
    /// The one customer with this key; `None` if there are several, or none.
    async fn only(
        &self,
        client: ClientId,
        key: &CustomerKey,
    ) -> Result<Option<CustomerId>, StoreUnavailable> {
        match self.views.customers_with(client, key, 2).await?[..] {
            [customer] => Ok(Some(customer)),
            _ => Ok(None),
        }
    }

    /// The one customer whom the client's own name of a person stands for. A name that is a number means the one with
    /// that number, and nobody else where several have it.
    async fn named(&self, client: ClientId, name: &str) -> Result<Option<CustomerId>, StoreUnavailable> {
        if let Some(number) = Party::new(name).number() {
            let key = CustomerKey::Phone(number.as_str().to_owned());
            if !self.views.customers_with(client, &key, 1).await?.is_empty() {
                return self.only(client, &key).await;
            }
        }
        self.only(client, &CustomerKey::ExternalId(name.to_owned())).await
    }

    async fn of_call(&self, client: ClientId, id: CallId) -> Result<Option<CustomerId>, StoreUnavailable> {
        let stored = self.views.one::<Calls>(client, id).await?;
        let stored = stored.ok_or_else(|| StoreUnavailable("the call is not in its view yet".to_owned()))?;
        let call: Call = read(&stored.json)?;
        if let Some(customer) = call.customer_id {
            return Ok(customer.parse().ok());
        }
        let person = match call.direction {
            Direction::Inbound => call.from,
            Direction::Outbound => call.to,
        };
        match person.as_deref().and_then(|person| Party::new(person).number()) {
            Some(number) => self.only(client, &CustomerKey::Phone(number.as_str().to_owned())).await,
            None => Ok(None),
        }
    }

    /// The customer that this one has become by merges, and those that were merged into that one.
    async fn all_of(&self, client: ClientId, id: CustomerId) -> Result<Vec<CustomerId>, StoreUnavailable> {
        let mut id = id;
        for _ in 0..HOPS {
            let Some(stored) = self.views.one::<Customers>(client, id).await? else { break };
            let view: CustomerView = read(&stored.json)?;
            match view.merged_into {
                Some(into) => id = into,
                None => return Ok(view.links().customers),
            }
        }
        Ok(Vec::new())
    }
}

#[async_trait]
impl CustomerLookup for ViewedCustomers {
    async fn of_conversation(
        &self,
        client: ClientId,
        conversation: ConversationId,
    ) -> Result<Option<Person>, StoreUnavailable> {
        let stored = self.views.one::<Conversations>(client, conversation).await?;
        let missing = || StoreUnavailable("the conversation is not in its view yet".to_owned());
        let talk: Talk = read(&stored.ok_or_else(missing)?.json)?;
        let customer = match (talk.customer_id, talk.call_id, talk.user_id) {
            (Some(customer), _, _) => customer.parse().ok(),
            (None, Some(call), _) => match call.parse() {
                Ok(call) => self.of_call(client, call).await?,
                Err(_) => None,
            },
            (None, None, Some(user)) => self.named(client, &user).await?,
            (None, None, None) => None,
        };
        let Some(customer) = customer else { return Ok(None) };
        let all = self.all_of(client, customer).await?;
        Ok((!all.is_empty()).then_some(Person { customer, all }))
    }

    async fn with_merged(
        &self,
        client: ClientId,
        customer: CustomerId,
    ) -> Result<Vec<CustomerId>, StoreUnavailable> {
        let all = self.all_of(client, customer).await?;
        // one that is not in the view yet stands for itself
        Ok(if all.is_empty() { vec![customer] } else { all })
    }
}
