//! Decides whether an IP address is public, and not this machine's, this network's or reserved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not public, besides those the standard library knows: network and prefix length.
const V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),        // "this network", RFC 791
    ([100, 64, 0, 0], 10),    // shared by carriers, RFC 6598
    ([168, 63, 129, 16], 32), // the platform behind a virtual machine at Azure
    ([192, 0, 0, 0], 24),     // protocol assignments, RFC 6890
    ([192, 88, 99, 0], 24),   // 6to4 relays, RFC 7526
    ([198, 18, 0, 0], 15),    // benchmarks, RFC 2544
    ([233, 252, 0, 0], 24),   // documentation of multicast, RFC 6676
    ([240, 0, 0, 0], 4),      // reserved, RFC 1112
];

/// The only IPv6 range assigned to hosts on the public Internet (IANA). Addresses outside lead to this machine, to
/// this network, or through a translator to an IPv4 address of the sender's choice: IPv4-compatible `::/96`,
/// IPv4-translated `::ffff:0:0:0/96` (RFC 2765), NAT64 `64:ff9b::/96` and `64:ff9b:1::/48`, unique local,
/// link-local, site-local, multicast, and unassigned ranges.
const GLOBAL_V6: ([u16; 8], u32) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Networks within that range that are not public.
const V6: &[([u16; 8], u32)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments, among them Teredo, RFC 2928
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4, RFC 3056
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation, RFC 9637
];

/// Whether the address is on the public Internet. An IPv4 address mapped into IPv6 is judged as IPv4.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let named = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation();
    let within = |(network, length): &([u8; 4], u32)| {
        (address.to_bits() ^ Ipv4Addr::from(*network).to_bits()) >> (32 - length) == 0
    };
    !named && !V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(network, length): &([u16; 8], u32)| {
        (address.to_bits() ^ Ipv6Addr::from(*network).to_bits()) >> (128 - length) == 0
    };
    // ISATAP, RFC 5214: the second half of the address is `[02]00:5efe` and an IPv4 address
    let isatap = matches!(address.segments(), [.., 0 | 0x200, 0x5efe, _, _]);
    within(&GLOBAL_V6) && !isatap && !V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of Svix's server, and more addresses.
    const BLOCKED: &[&str] = &[
        "10.254.0.0",
        "192.168.10.65",
        "172.16.10.65",
        "172.31.255.255",
        "0.1.2.3",
        "0.0.0.0",
        "127.0.0.1",
        "127.254.254.254",
        "169.254.45.1",
        "169.254.169.254",
        "255.255.255.255",
        "224.1.2.3",
        "233.252.0.16",
        "192.0.0.255",
        "192.0.2.255",
        "198.51.100.65",
        "203.0.113.6",
        "100.100.0.0",
        "100.127.255.255",
        "192.88.99.3",
        "198.18.0.0",
        "198.19.255.255",
        "240.240.240.240",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "2001:db8::1",
        "3fff::dead:beef",
        "fd7a:115c:a1e0::1",
        "fc00::1",
        "64:ff9b::808:808",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1:2:3:4",
        "2002:7f00:1::",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
        "168.63.129.16",
        "::ffff:0:7f00:1",
        "::ffff:0:8.8.8.8",
        "2606:4700::5efe:127.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "64:ff9a::1",
        "4000::1",
        "1000::1",
        "2001::1",
        "fd00:ec2::254",
    ];
    const ALLOWED: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "126.255.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    ];

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for text in BLOCKED {
            assert!(!is_public(text.parse().unwrap()), "{text} is not public");
        }
        for text in ALLOWED {
            assert!(is_public(text.parse().unwrap()), "{text} is public");
        }
    }
}
