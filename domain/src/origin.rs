//! Where a request over REST came from.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::personal::Personal;

/// Where the author of a REST request was. Events hold it for the audit log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The IP address the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Personal<String>>,
}

/// The key `origin` in a MessagePack map.
const NAME: &[u8] = b"\xa6origin";

impl Origin {
    /// The origin of a request from this IP address.
    #[must_use]
    pub fn at(ip: Option<String>) -> Self {
        Self { ip: ip.map(Personal::new) }
    }

    /// Whether no address is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.ip.is_none()
    }

    /// The payload of an event with this origin added, unless the payload has one already. The event's type need
    /// not have such a field: readers skip names that they do not know.
    #[must_use]
    pub fn stamp(&self, payload: Vec<u8>) -> Vec<u8> {
        if self.is_unknown() || says_its_origin(&payload) {
            return payload;
        }
        let (Some((head, rest)), Ok(origin)) = (split_map(&payload), rmp_serde::to_vec_named(self)) else {
            return payload;
        };
        [&head[..], rest, NAME, &origin].concat()
    }

    /// The origin in the payload of any event; unknown if there is none.
    #[must_use]
    pub fn stamped_on(payload: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Stamped {
            #[serde(default)]
            origin: Origin,
        }
        rmp_serde::from_slice(payload).map(|Stamped { origin }| origin).unwrap_or_default()
    }
}

fn says_its_origin(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Says {
        origin: Option<IgnoredAny>,
    }
    // the bytes may also stand in a text of the payload
    let may = payload.windows(NAME.len()).any(|bytes| bytes == NAME);
    may && rmp_serde::from_slice::<Says>(payload).is_ok_and(|says| says.origin.is_some())
}

/// The head of the same map with one more entry, and the entries it has; `None` if the payload is not a map.
fn split_map(payload: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (entries, rest) = match *payload {
        [head @ 0x80..=0x8f, ref rest @ ..] => (u32::from(head & 0x0f), rest),
        [0xde, high, low, ref rest @ ..] => (u32::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    let head = match entries + 1 {
        few @ 0..=15 => vec![0x80 | few as u8],
        more => {
            let [high, low] = u16::try_from(more).ok()?.to_be_bytes();
            vec![0xde, high, low]
        }
    };
    Some((head, rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn origin() -> Origin {
        Origin::at(Some("203.0.113.7".to_owned()))
    }

    #[test]
    fn an_event_of_any_size_says_where_it_came_from_and_reads_as_before() {
        for entries in [0, 1, 14, 15, 16, 400] {
            let fields: BTreeMap<String, u32> = (0..entries).map(|n| (format!("f{n}"), n)).collect();
            let plain = rmp_serde::to_vec_named(&fields).unwrap();
            let stamped = origin().stamp(plain.clone());
            assert_eq!(Origin::stamped_on(&stamped), origin());
            let read: BTreeMap<String, IgnoredAny> = rmp_serde::from_slice(&stamped).unwrap();
            assert_eq!(read.len() as u32, entries + 1);
            assert!(fields.keys().all(|name| read.contains_key(name)));
            assert_eq!(origin().stamp(stamped.clone()), stamped, "said once");
            assert_eq!(Origin::default().stamp(plain.clone()), plain, "nothing is known");
        }
    }

    #[test]
    fn a_text_that_reads_like_it_is_no_origin_and_what_is_no_map_stays() {
        let text = rmp_serde::to_vec_named(&BTreeMap::from([("text", "origin")])).unwrap();
        assert_eq!(Origin::stamped_on(&origin().stamp(text)), origin());
        for odd in [vec![], vec![0xc0], vec![0x93, 1, 2, 3]] {
            assert_eq!(origin().stamp(odd.clone()), odd);
        }
    }
}
