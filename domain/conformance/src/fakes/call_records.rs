//! A carrier that only has records of calls.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::call::report::{CarrierReport, FoundRecording, LegRef, LegTag};
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::telephony::{
    CarrierAccount, CarrierError, Dial, LegCommand, LegState, RecordPage, Telephony,
};

/// What answers questions for records.
#[async_trait]
pub trait CallRecords: fmt::Debug + Send + Sync {
    /// Answers as [`Telephony::call_records`] promises.
    async fn call_records(
        &self,
        account: CarrierAccount,
        period: (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError>;
}

/// The carrier: everything else is not configured.
#[derive(Debug)]
pub struct RecordsOnly<T>(pub Arc<T>);

#[async_trait]
impl<T: CallRecords> Telephony for RecordsOnly<T> {
    fn provider(&self) -> &'static str {
        "telnyx"
    }

    async fn call_records(
        &self,
        account: CarrierAccount,
        period: (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        self.0.call_records(account, period, after).await
    }

    async fn dial(&self, _: &Dial) -> Result<LegRef, CarrierError> {
        Err(CarrierError::NotConfigured)
    }

    async fn command(&self, _: &LegCommand) -> Result<(), CarrierError> {
        Err(CarrierError::NotConfigured)
    }

    async fn leg_state(&self, _: ClientId, _: &str) -> Result<LegState, CarrierError> {
        Err(CarrierError::NotConfigured)
    }

    async fn find_leg(&self, _: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        Err(CarrierError::NotConfigured)
    }

    async fn read_webhook(
        &self,
        _: ClientId,
        _: &[u8],
        _: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        Err(CarrierError::NotConfigured)
    }

    async fn find_recording(&self, _: ClientId, _: &str) -> Result<Option<FoundRecording>, CarrierError> {
        Err(CarrierError::NotConfigured)
    }

    async fn delete_recording(&self, _: ClientId, _: &str) -> Result<(), CarrierError> {
        Err(CarrierError::NotConfigured)
    }
}
