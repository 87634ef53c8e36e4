//! What to do about a server that a caller cannot come to terms with. The library has no types for most of
//! these: the tests hold its words.

use super::goaway;

/// None when it is not about TLS.
pub(in super::super) fn advice(error: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if has(&[goaway::REASON]) {
        Some("let urls begin with https:// and set ca_file, cert_file and key_file beside them")
    } else if has(&["InvalidContentType"]) {
        Some("the server there speaks without TLS: set its section grpc_tls, or use http:// here")
    } else if has(&["not valid for name", "NotValidForName"]) {
        Some(
            "the server has another name: use the name of its certificate in urls, or set server_name",
        )
    } else if has(&["UnknownIssuer", "BadSignature"]) {
        Some(
            "the server's certificate is not by an authority of ca_file: see whether it is the right \
              server, and add its authority there",
        )
    } else if has(&["certificate expired"]) {
        Some("the server's certificate has expired: renew its grpc_tls.cert_file")
    } else if has(&["CertificateRequired"]) {
        Some("the server wants a certificate: set cert_file and key_file")
    } else if has(&["CertificateExpired"]) {
        Some("our certificate has expired: renew cert_file")
    } else if has(&["UnknownCA", "BadCertificate", "DecryptError", "CertificateUnknown"]) {
        Some(
            "the server does not trust our certificate: sign cert_file by an authority of its \
              grpc_tls.client_ca_file",
        )
    } else if has(&["invalid peer certificate", "fatal alert"]) {
        Some("see the log of the server, too")
    } else {
        None
    }
}
