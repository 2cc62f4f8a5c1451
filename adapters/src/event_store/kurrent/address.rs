//! Address of a KurrentDB log, with its password kept out of sight.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use eventstore::{Authentication, ClientSettings, Credentials};
use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::OpenError;

/// Schemes of the address, each also with `+discover`: gossip tells the nodes of the cluster.
pub(in super::super) const SCHEMES: [&str; 4] = ["kurrentdb", "kurrent", "kdb", "esdb"];
/// Prefix of our streams when the address names none. It ends in a dot, so that the database's category
/// of a call's stream is `voxledger.call`.
const DEFAULT_PREFIX: &str = "voxledger.";
/// The address's parameter with the prefix. All others are the client's.
const PREFIX_PARAMETER: &str = "streamprefix";
/// Parameters that the client gets unless the address sets them. Durations are in milliseconds; of `n` attempts the
/// client makes `n - 1`.
const DEFAULTS: [(&str, &str); 4] = [
    ("connectionName", "voxledger"),
    ("discoveryInterval", "100"),
    ("gossipTimeout", "2000"),
    ("maxDiscoverAttempts", "4"),
];

/// Where the log is: servers, how to reach them, prefix of our streams, and the file of this node's replica.
#[derive(Clone)]
pub struct KurrentAddress {
    pub(super) settings: ClientSettings,
    pub(super) login: Option<Authentication>,
    pub(super) prefix: String,
    pub(super) replica: Option<PathBuf>,
    /// The address without user, password and parameters.
    shown: String,
}

impl KurrentAddress {
    /// Keeps the replica in a file of this folder. Without a folder it is a temporary file, made anew on each start.
    #[must_use]
    pub fn with_replica_in(mut self, folder: &Path) -> Self {
        self.replica = Some(folder.join("events.replica.db"));
        self
    }

    /// Checks that the files of certificates and keys can be read, which the client would end the process over.
    pub(super) fn check_files(&self) -> Result<(), OpenError> {
        let bad = |what: &str, path: &str| {
            OpenError::Target(format!("the {what} at {path} cannot be read as PEM; check the address"))
        };
        let certificates = |what: &str, path: &str| {
            let read = CertificateDer::pem_file_iter(path).map(|all| all.collect::<Result<Vec<_>, _>>());
            match read {
                Ok(Ok(all)) if !all.is_empty() => Ok(()),
                _ => Err(bad(what, path)),
            }
        };
        if let Some(path) = self.settings.tls_ca_file() {
            certificates("file of tlsCaFile", path)?;
        }
        if let Some((certificate, key)) = self.settings.user_certificate() {
            certificates("file of userCertFile", certificate)?;
            PrivateKeyDer::from_pem_file(key).map_err(|_| bad("file of userKeyFile", key))?;
        }
        Ok(())
    }
}

impl FromStr for KurrentAddress {
    type Err = OpenError;

    fn from_str(address: &str) -> Result<Self, OpenError> {
        let bad = |why: &str| OpenError::Target(format!("the KurrentDB address cannot be used: {why}"));
        let (scheme, rest) = address.split_once("://").ok_or_else(|| bad("it needs :// after the scheme"))?;
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, hosts) = match place.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, place),
        };
        if hosts.trim_end_matches('/').is_empty() {
            return Err(bad("it names no host"));
        }
        let mut prefix = DEFAULT_PREFIX.to_owned();
        let mut kept = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case(PREFIX_PARAMETER) => {
                    value.clone_into(&mut prefix)
                }
                _ => kept.push(parameter.to_owned()),
            }
        }
        if !is_prefix(&prefix) {
            return Err(bad("streamPrefix must be 1 to 100 letters, digits, dots and underscores"));
        }
        for (name, value) in DEFAULTS {
            let named = |parameter: &String| {
                parameter.split('=').next().is_some_and(|found| found.eq_ignore_ascii_case(name))
            };
            if !kept.iter().any(named) {
                kept.push(format!("{name}={value}"));
            }
        }
        let credentials = user.map(|user| format!("{user}@")).unwrap_or_default();
        let whole = format!("{scheme}://{credentials}{hosts}?{}", kept.join("&"));
        let settings = whole.parse::<ClientSettings>().map_err(|error| match error.error() {
            // the message would be the address itself
            Some(error) => bad(&error.to_string()),
            None => bad(error.message()),
        })?;
        let login = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let plain = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
            Authentication::Basic(Credentials::new(plain(name), plain(password)))
        });
        let shown = format!("{scheme}://{hosts}");
        Ok(Self { settings, login, prefix, replica: None, shown })
    }
}

fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    (1..=100).contains(&text.len()) && text.bytes().all(allowed)
}

impl PartialEq for KurrentAddress {
    fn eq(&self, other: &Self) -> bool {
        (&self.settings, &self.prefix, &self.replica) == (&other.settings, &other.prefix, &other.replica)
    }
}

impl Eq for KurrentAddress {}

impl fmt::Display for KurrentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for KurrentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KurrentAddress")
            .field("servers", &self.shown)
            .field("prefix", &self.prefix)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> KurrentAddress {
        address.parse().unwrap()
    }

    #[test]
    fn every_scheme_names_one_host_or_several() {
        for scheme in SCHEMES {
            for suffix in ["", "+discover"] {
                let address = parse(&format!("{scheme}{suffix}://db.internal?tls=false"));
                assert_eq!(address.settings.hosts().len(), 1);
                assert_eq!(address.settings.hosts()[0].port, 2113);
                assert_eq!(address.settings.is_dns_discovery_enabled(), !suffix.is_empty());
            }
        }
        let cluster = parse("kurrentdb://a:1,b:2,c:3?tls=false&discoveryInterval=7");
        assert_eq!(cluster.settings.hosts().len(), 3);
        assert_eq!(cluster.settings.discovery_interval().as_millis(), 7);
        assert_eq!(cluster.to_string(), "kurrentdb://a:1,b:2,c:3");
    }

    #[test]
    fn a_password_is_never_shown() {
        for address in [
            "kurrentdb://admin:s3cret@db.internal:2113?tls=true",
            "esdb+discover://admin:s3cret%40@db.internal",
            "kdb://admin:s3cret@db.internal:1,db.internal:2",
        ] {
            let parsed = parse(address);
            let shown = format!("{parsed} {parsed:?}");
            assert!(!shown.contains("s3cret") && shown.contains("db.internal"), "{shown}");
        }
        for bad in
            ["kurrentdb://admin:s3cret@db.internal:port", "kurrentdb://admin:s3cret@", "esdb:admin:s3cret"]
        {
            let error = bad.parse::<KurrentAddress>().unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains("KurrentDB address"), "{error}");
        }
    }

    #[test]
    fn the_prefix_is_ours_and_all_else_is_the_clients() {
        let address = parse("kurrentdb://h?tls=false&streamPrefix=blue.&nodePreference=follower");
        assert_eq!(address.prefix, "blue.");
        assert_eq!(parse("kurrentdb://h").prefix, DEFAULT_PREFIX);
        for bad in ["", "$all", "a-b", "a/b"] {
            assert!(format!("kurrentdb://h?streamPrefix={bad}").parse::<KurrentAddress>().is_err(), "{bad}");
        }
        assert!("kurrentdb://h?nodePreference=any".parse::<KurrentAddress>().is_err());
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nnonsense").unwrap();
        for path in [file, folder.path().join("missing.pem")] {
            let address = parse(&format!("kurrentdb://h?tlsCaFile={}", path.display()));
            let error = address.check_files().unwrap_err().to_string();
            assert!(error.contains("tlsCaFile"), "{error}");
        }
        parse("kurrentdb://h").check_files().unwrap();
    }
}
