//! What the binary is made of: one crypto library, and licences that a user can ship.

use std::process::Command;

/// Licences that ask for no more than their text and a notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A second implementation of TLS or its primitives is twice the advisories and twice the size.
const NOT_THESE: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls"];

/// Name with version, and licence, of everything that a build of the binary links. `cargo tree`
/// knows which features are on; `cargo metadata` would show crates that no feature asks for.
fn shipped() -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}|{l}", "--no-dedupe"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names and licences");
    let split = |line: &str| {
        let (package, licence) = line.split_once('|').expect("the format of the call");
        let package: Vec<&str> = package.split(' ').take(2).collect();
        (package.join(" "), licence.to_owned())
    };
    let mut packages: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(split).collect();
    packages.sort();
    packages.dedup();
    packages
}

#[test]
fn one_crypto_library() {
    let shipped = shipped();
    let names = || shipped.iter().map(|(package, _)| package.split(' ').next().unwrap_or_default());
    let wrong: Vec<_> = names().filter(|name| NOT_THESE.contains(name)).collect();
    assert!(wrong.is_empty(), "linked beside aws-lc-rs: {wrong:?}");
    assert!(names().any(|name| name == "aws-lc-rs"), "of {}", shipped.len());
}

#[test]
fn licences_that_a_user_can_ship() {
    let wrong: Vec<_> = shipped().into_iter().filter(|(_, licence)| !allowed(licence)).collect();
    assert!(wrong.is_empty(), "licences to look at: {wrong:#?}");
}

/// One of the alternatives must be allowed in all of its parts.
fn allowed(licence: &str) -> bool {
    let plain = licence.replace('/', " OR ").replace(['(', ')'], " ");
    // `A AND (B OR C)` becomes two alternatives too many here, never one too few to look at.
    plain
        .split(" OR ")
        .any(|alternative| alternative.split(" AND ").all(|part| LICENCES.contains(&part.trim())))
}

#[test]
fn licence_expressions() {
    assert!(allowed("MIT OR Apache-2.0") && allowed("MIT/Apache-2.0") && allowed("GPL-3.0 OR MIT"));
    assert!(
        allowed("ISC AND (Apache-2.0 OR ISC)") && allowed("(MIT OR Apache-2.0) AND Unicode-3.0")
    );
    assert!(!allowed("GPL-3.0") && !allowed("AGPL-3.0-only") && !allowed(""));
}
