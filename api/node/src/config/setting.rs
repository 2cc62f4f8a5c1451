//! The macro that declares settings, each once, in its section.

/// Description of a setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Dotted key in `voxledger.toml`.
    pub key: &'static str,
    /// Default value as a user would write it; empty when there is none.
    pub default: &'static str,
    /// What the setting does, in one sentence.
    pub meaning: &'static str,
    /// The values that it accepts, in words.
    pub accepts: &'static str,
}

impl Setting {
    /// The environment variable: `telnyx.api_key` is `VOXLEDGER_TELNYX_API_KEY`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("VOXLEDGER_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// Declares a section: its struct, its settings and how it is read, in one place.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $($(#[doc = $doc:literal])* $field:ident: $type:ty = $key:expr, $default:expr;)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        impl $name {
            /// The settings of this section.
            pub const SETTINGS: &'static [$crate::config::setting::Setting] = &[$(
                $crate::config::setting::Setting {
                    key: $key,
                    default: $default,
                    meaning: concat!($($doc),*),
                    accepts: <$type as $crate::config::value::Value>::ACCEPTS,
                },
            )*];

            pub(super) fn read(
                given: &$crate::config::sources::GivenSettings,
            ) -> Result<Self, $crate::config::error::ConfigError> {
                Ok(Self { $($field: given.read::<$type>($key, $default)?,)* })
            }
        }
    };
}
pub(super) use section;
