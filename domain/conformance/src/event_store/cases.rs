//! Every case of the suite beside the promise it proves: the one list that the tests and
//! `voxledger doctor --prove-event-store` walk.

use futures::future::LocalBoxFuture;

use super::{Subject, appends, following, reads};

/// Hands the list of cases to a macro of this crate, together with what it needs besides.
#[doc(hidden)]
#[macro_export]
macro_rules! each_event_store_case {
    ($make:ident, $($context:tt)*) => {
        $crate::$make! {
            ($($context)*)
            appends {
                a_stale_expectation_is_a_conflict:
                    "an append that expects another version than the stream has is refused",
                a_stream_starts_under_no_stream_exactly_none_and_any:
                    "a stream begins with its first append, at version 1",
                any_appends_after_whatever_is_there:
                    "an append without an expectation goes to the end of its stream",
                an_answer_tells_positions_and_version:
                    "an append answers with the positions and the version of what it stored",
                the_same_append_again_is_answered_as_the_first_time:
                    "the same append again stores nothing, and is answered as the first time",
                the_same_append_again_under_any_is_recognised:
                    "a repeat is recognised without an expectation, too",
                a_repeat_is_recognised_after_the_stream_went_on:
                    "a repeat is recognised however much was stored since",
                two_equal_appends_at_the_same_time_are_written_once:
                    "two equal appends at the same time are stored once",
                a_partial_repeat_is_a_conflict:
                    "events of which only some are stored are refused, all of them",
                a_repeat_in_another_order_is_a_conflict:
                    "stored events in another order are refused",
                a_repeat_of_events_that_are_not_neighbours_is_a_conflict:
                    "stored events with others between them are refused",
                a_repeat_elsewhere_in_the_stream_is_a_conflict:
                    "stored events under the expectation of another place are refused",
                an_id_stored_in_another_stream_is_a_conflict:
                    "the id of an event of one stream is refused in another",
                a_conflict_writes_nothing:
                    "a refused append leaves nothing behind",
                events_keep_their_order_within_an_append:
                    "the events of an append keep their order",
                empty_large_and_malformed_appends_are_refused:
                    "what is empty, too large or malformed is refused before it is stored",
                payloads_of_no_byte_and_of_a_mebibyte_are_kept:
                    "payloads of no byte and of a mebibyte come back as they were",
            }
            reads {
                every_field_comes_back_as_it_was_given:
                    "everything an event has comes back, byte by byte",
                times_are_kept_to_the_microsecond:
                    "times are kept to the microsecond",
                a_stream_reads_forwards_and_backwards_in_pages:
                    "a stream is read from either end, in pages",
                the_log_reads_in_pages:
                    "the whole log is read in pages, each event once",
                an_unknown_stream_is_empty:
                    "a stream that nobody wrote is empty",
                the_head_is_the_newest_position:
                    "the head of the log is the position of its newest event",
                a_page_of_large_events_ends_early_but_never_empty:
                    "no page of a read is larger than 16 MiB, whatever is stored",
                a_stream_may_hold_a_hundred_thousand_events:
                    "a stream of a hundred thousand events is stored and read whole",
            }
            following {
                positions_are_dense_under_many_writers:
                    "positions are 1, 2, 3 … without holes, with 64 writers at once",
                one_stream_under_many_writers_has_one_winner_a_version:
                    "of many who append to one stream at once, one gets each version",
                a_reader_that_saw_a_position_never_misses_one_before_it:
                    "who has read up to a position never finds an event before it later",
                a_subscription_catches_up_and_then_follows_without_gap_or_repeat:
                    "a subscription delivers what is stored, then what is appended, without gap or repeat",
                a_subscription_starts_in_the_middle:
                    "a subscription begins after any position",
                a_cancelled_wait_loses_nothing:
                    "a wait that is broken off loses no event",
                waiting_ends_when_the_head_moves:
                    "a wait ends when an event is appended, and by itself",
            }
        }
    };
}

/// Makes [`CASES`] of the list.
#[doc(hidden)]
#[macro_export]
macro_rules! event_store_case_list {
    (() $($module:ident { $($case:ident: $promise:literal,)* })*) => {
        /// All cases that an engine must pass, in the order of the list.
        pub const CASES: &[Case] = &[$($(
            Case { name: stringify!($case), promise: $promise, run: |subject| Box::pin($module::$case(subject)) },
        )*)*];
    };
}

/// A case of the suite. It needs a store of its own, fresh and empty.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Name of the case and of its test.
    pub name: &'static str,
    /// What the case proves of a store, as a sentence.
    pub promise: &'static str,
    /// Runs the case; it panics with what it saw when the promise is broken.
    pub run: for<'a> fn(&'a Subject) -> LocalBoxFuture<'a, ()>,
}

crate::each_event_store_case!(event_store_case_list,);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CASES;

    #[test]
    fn every_case_has_a_name_and_a_promise_of_its_own() {
        let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
        let promises: BTreeSet<_> = CASES.iter().map(|case| case.promise).collect();
        assert!(CASES.len() > 30);
        assert_eq!((names.len(), promises.len()), (CASES.len(), CASES.len()));
    }
}
