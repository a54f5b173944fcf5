//! An entry point for fuzzing of the files that `client_tls` names: certificates and keys in PEM.

use super::{ClientCertificate, TlsClientConfig, TlsClientOptions, TlsConfigError};

/// Any bytes as a file of roots, a certificate and a key: a configuration or one of our errors, the
/// same each time, and no file without a certificate is ever trusted as one.
pub fn fuzz_pem(input: &[u8]) -> u64 {
    let roots = TlsClientOptions {
        ca_certs: vec![input.to_vec()],
        disable_system_ca_pool: true,
        ..TlsClientOptions::default()
    };
    let client = TlsClientOptions {
        insecure: true,
        client_certs: vec![ClientCertificate {
            certificate: input.to_vec(),
            private_key: input.to_vec(),
        }],
        ..TlsClientOptions::default()
    };
    let built = [roots, client].map(|options| {
        let error = TlsClientConfig::build(&options).err();
        assert_eq!(TlsClientConfig::build(&options).err(), error);
        match error {
            None => 0,
            Some(TlsConfigError::CaCertificate { .. }) => 1,
            Some(TlsConfigError::NoRoots) => 2,
            Some(TlsConfigError::ClientCertificate { .. }) => 3,
            Some(TlsConfigError::ClientKey { .. }) => 4,
            Some(error) => panic!("{error}: nothing but the file was given"),
        }
    });
    let has_certificate = input.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----");
    assert!(has_certificate || built.iter().all(|outcome| *outcome != 0));
    built.iter().fold(u64::from(has_certificate), |all, outcome| all * 8 + outcome)
}
