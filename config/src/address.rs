//! Addresses as they are written: which are this machine's, and what can be read on its way to one.

use std::net::IpAddr;

/// Whether a host is this machine.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether others can read what is sent to this web address: it goes over a network, and not by https.
pub fn is_in_the_clear(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return true };
    url.scheme_str() != Some("https") && !is_here(url.host().unwrap_or_default())
}

/// Whether this is a network: an address, with the length of its prefix or alone.
pub fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_on_its_way_is_known() {
        for (url, clear) in [
            ("https://example.com/a", false),
            ("http://example.com", true),
            ("HTTP://example.com", true),
            ("http://localhost:9090/", false),
            ("http://127.0.0.1:9090", false),
            ("http://[::1]:9090/", false),
            ("http://127.0.0.1.example.com/", true),
            ("http://127.example.com/", true),
            ("http://localhost.example.com/", true),
            ("no address", true),
        ] {
            assert_eq!(is_in_the_clear(url), clear, "{url}");
        }
    }

    #[test]
    fn a_network_is_an_address_with_a_prefix_or_alone() {
        for (text, is) in [
            ("10.0.0.0/8", true),
            ("10.0.0.1", true),
            ("2001:db8::/32", true),
            ("10.0.0", false),
            ("10.0.0.0/33", false),
            ("10.0.0.0/", false),
            ("::1/129", false),
            ("", false),
        ] {
            assert_eq!(is_network(text), is, "{text}");
        }
    }
}
