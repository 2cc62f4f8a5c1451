//! Scopes: `<resource>:read`, `<resource>:write`, and `*` for everything. A scope exists only where
//! an operation requires it.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such scope: give `<resource>:read`, `<resource>:write` or `*`")]
pub struct UnknownScope;

/// The scope that a handler requires of its caller, as a type.
pub trait Permission: 'static {
    /// Scope that the caller must have; `None`: any valid credential is enough.
    const SCOPE: Option<Scope>;
}

/// Any valid credential is enough.
#[derive(Debug)]
pub enum AnyCredential {}

impl Permission for AnyCredential {
    const SCOPE: Option<Scope> = None;
}

macro_rules! scopes {
    ($($text:literal = $read:ident $write:ident,)* ; $($alone:literal = $only:ident,)*) => {
        /// One scope of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope { $($read, $write,)* $($only,)* }

        impl Scope {
            /// Every scope except `*`.
            pub const ALL: &'static [Scope] = &[$(Scope::$read, Scope::$write,)* $(Scope::$only,)*];

            /// Text in requests and views, for example `calls:read`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Scope::$read => concat!($text, ":read"), Scope::$write => concat!($text, ":write"),)*
                    $(Scope::$only => $alone,)*
                }
            }
        }

        /// One type for each scope, for [`Caller`](super::Caller).
        pub mod permissions {
            use super::{Permission, Scope};
            $(
                #[doc = concat!("`", $text, ":read`.")]
                #[derive(Debug)]
                pub enum $read {}
                impl Permission for $read {
                    const SCOPE: Option<Scope> = Some(Scope::$read);
                }

                #[doc = concat!("`", $text, ":write`.")]
                #[derive(Debug)]
                pub enum $write {}
                impl Permission for $write {
                    const SCOPE: Option<Scope> = Some(Scope::$write);
                }
            )*
            $(
                #[doc = concat!("`", $alone, "`.")]
                #[derive(Debug)]
                pub enum $only {}
                impl Permission for $only {
                    const SCOPE: Option<Scope> = Some(Scope::$only);
                }
            )*
        }
    };
}

scopes! {
    "calls" = CallsRead CallsWrite,
    "conversations" = ConversationsRead ConversationsWrite,
    "ivr" = IvrRead IvrWrite,
    "webhooks" = WebhooksRead WebhooksWrite,
    "agents" = AgentsRead AgentsWrite,
    "tools" = ToolsRead ToolsWrite,
    "numbers" = NumbersRead NumbersWrite,
    "customers" = CustomersRead CustomersWrite,
    "kb" = KbRead KbWrite,
    "keys" = KeysRead KeysWrite,
    "users" = UsersRead UsersWrite,
    "providers" = ProvidersRead ProvidersWrite,
    "billing" = BillingRead BillingWrite,
    ;
    "analytics:read" = AnalyticsRead,
    "audit:read" = AuditRead,
    // it erases persons and lowers what is kept: neither can be undone
    "privacy:write" = PrivacyWrite,
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes, one bit each, so that copying and checking it is cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u64);

impl Scopes {
    /// `*`: every scope that exists or will exist.
    pub const EVERYTHING: Scopes = Scopes(u64::MAX);

    /// Parses a list of texts. Fails when one of them is unknown.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, UnknownScope> {
        texts.iter().try_fold(Self::default(), |scopes, text| match text.as_ref() {
            "*" => Ok(Self::EVERYTHING),
            text => Ok(Self(scopes.0 | bit(text.parse()?))),
        })
    }

    /// Like [`Scopes::parse`], but skips unknown texts: a stored key may have a scope of a newer version, and must
    /// not grant more than this version understands.
    pub fn parse_known<S: AsRef<str>>(texts: &[S]) -> Self {
        texts.iter().fold(Self::default(), |scopes, text| {
            Self(scopes.0 | Self::parse(std::slice::from_ref(text)).unwrap_or_default().0)
        })
    }

    /// Whether it grants `scope`.
    #[must_use]
    pub fn grants(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Whether it grants all that `other` grants.
    #[must_use]
    pub fn cover(self, other: Scopes) -> bool {
        other.0 & !self.0 == 0
    }

    /// Texts of the scopes; `*` alone for everything.
    #[must_use]
    pub fn to_texts(self) -> Vec<String> {
        if self == Self::EVERYTHING {
            return vec!["*".to_owned()];
        }
        Scope::ALL.iter().filter(|scope| self.grants(**scope)).map(Scope::to_string).collect()
    }
}

const fn bit(scope: Scope) -> u64 {
    1 << scope as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_do_what_its_scopes_say_and_nothing_else() {
        let scopes = Scopes::parse(&["calls:read", "ivr:write"]).unwrap();
        let granted: Vec<_> = Scope::ALL.iter().filter(|s| scopes.grants(**s)).collect();
        assert_eq!(granted, [&Scope::CallsRead, &Scope::IvrWrite]);
        assert_eq!(scopes.to_texts(), ["calls:read", "ivr:write"]);
    }

    #[test]
    fn a_star_grants_everything() {
        let scopes = Scopes::parse(&["calls:read", "*"]).unwrap();
        assert!(Scope::ALL.iter().all(|scope| scopes.grants(*scope)));
        assert_eq!(scopes.to_texts(), ["*"]);
    }

    #[test]
    fn an_unknown_scope_is_refused_and_grants_nothing_when_stored() {
        assert_eq!(Scopes::parse(&["calls:read", "calls:delete"]), Err(UnknownScope));
        let stored = Scopes::parse_known(&["calls:read", "teleport:write"]);
        assert_eq!(stored.to_texts(), ["calls:read"]);
    }

    #[test]
    fn every_scope_fits_its_bit() {
        assert!(Scope::ALL.len() < 64);
    }
}
