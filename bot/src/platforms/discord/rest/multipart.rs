//! A message with files, as `multipart/form-data`.

use super::Upload;
use bytes::Bytes;
use commands::text::odd_character;
use sha2::{Digest, Sha256};

/// The longest name of a file, in characters.
const LONGEST_NAME: usize = 120;

/// The type and the bytes of a body that carries `payload`, a message's JSON, and `files`.
pub fn form(payload: &str, files: &[Upload]) -> (String, Bytes) {
    let boundary = boundary(payload, files);
    let mut form =
        Vec::with_capacity(payload.len() + files.iter().map(|file| file.bytes.len() + 512).sum::<usize>() + 512);
    let mut part = |head: String, content: &[u8]| {
        form.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    };
    part("name=\"payload_json\"\r\nContent-Type: application/json".to_owned(), payload.as_bytes());
    for (number, Upload { name, bytes }) in files.iter().enumerate() {
        let name = safe(name);
        let kind = "Content-Type: application/octet-stream";
        part(format!("name=\"files[{number}]\"; filename=\"{name}\"\r\n{kind}"), bytes);
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), form.into())
}

/// What can not stand in the content, because nobody can write a text that contains its own digest.
fn boundary(payload: &str, files: &[Upload]) -> String {
    let digest = files.iter().fold(Sha256::new_with_prefix(payload), |digest, file| digest.chain_update(&file.bytes));
    let hex: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("deckhand-{hex}")
}

/// A name that stays between its quotes, is no path, and looks like what it is.
fn safe(name: &str) -> String {
    let harmless = |c: char| !r#""\/"#.contains(c) && odd_character(c.encode_utf8(&mut [0; 4])).is_none();
    let name: String = name.chars().take(LONGEST_NAME).map(|c| if harmless(c) { c } else { '_' }).collect();
    if name.trim_matches(['.', ' ']).is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_two_files() {
        let file = |name: &str, bytes| Upload { name: name.to_owned(), bytes: Bytes::from_static(bytes) };
        let files = [file("build.log", b"line 1\r\n--deckhand-\r\n"), file("배포.png", b"\x89PNG\x00")];
        let (kind, body) = form(r#"{"content":"done"}"#, &files);
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert!(boundary.len() <= 70, "RFC 2046 allows 70 characters: {boundary}");
        let golden = [
            b"--B\r\nContent-Disposition: form-data; name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n"
                .as_slice(),
            b"{\"content\":\"done\"}\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"build.log\"\r\n",
            b"Content-Type: application/octet-stream\r\n\r\nline 1\r\n--deckhand-\r\n\r\n",
            "--B\r\nContent-Disposition: form-data; name=\"files[1]\"; filename=\"배포.png\"\r\n".as_bytes(),
            b"Content-Type: application/octet-stream\r\n\r\n\x89PNG\x00\r\n--B--\r\n",
        ];
        let golden = golden.concat();
        let written = body.windows(boundary.len()).filter(|window| *window == boundary.as_bytes()).count();
        assert_eq!(written, 4, "the boundary stands before each part and at the end, nowhere else");
        let plain: Vec<u8> = body
            .iter()
            .map(|byte| *byte as char)
            .collect::<String>()
            .replace(boundary, "B")
            .chars()
            .map(|c| c as u8)
            .collect();
        assert_eq!(String::from_utf8_lossy(&plain), String::from_utf8_lossy(&golden));
        assert_eq!(form(r#"{"content":"done"}"#, &files), (kind, body), "the same message twice is the same body");
    }

    #[test]
    fn content_that_knows_another_boundary_has_its_own() {
        let upload = |bytes: Bytes| [Upload { name: "a".to_owned(), bytes }];
        let (first, _) = form("{}", &upload(Bytes::from_static(b"x")));
        let boundary = first.rsplit('=').next().unwrap().to_owned();
        let (second, body) = form("{}", &upload(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
        assert_ne!(first, second);
        assert!(body.ends_with(format!("--{}--\r\n", second.rsplit('=').next().unwrap()).as_bytes()));
    }

    #[test]
    fn names_stay_between_their_quotes() {
        let long = "a".repeat(500);
        let table = [
            ("build.log", "build.log"),
            ("배포 기록.txt", "배포 기록.txt"),
            ("a\"; name=\"payload_json", "a_; name=_payload_json"),
            ("a\r\nContent-Type: text/html\r\n\r\n<b>", "a__Content-Type: text_html____<b>"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("..\\boot.ini", ".._boot.ini"),
            ("photo\u{202E}gpj.exe", "photo_gpj.exe"),
            ("nul\0", "nul_"),
            ("", "file"),
            ("..", "file"),
            (&long, &long[..120]),
        ];
        for (name, expected) in table {
            assert_eq!(safe(name), expected, "of {name:?}");
        }
    }
}
