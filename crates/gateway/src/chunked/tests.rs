use proptest::prelude::*;

use super::*;

/// Decodes in pieces of `step` bytes; returns payload, trailers and how much was consumed.
fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, usize), BadChunk> {
    let mut decoder = Decoder::new();
    let mut payload = Vec::new();
    let mut consumed = 0;
    for piece in input.chunks(step) {
        consumed += decoder.decode(piece, &mut payload)?;
        if decoder.is_done() {
            return Ok((payload, decoder.trailers().to_vec(), consumed));
        }
    }
    Err(BadChunk)
}

#[test]
fn payload_extensions_and_trailers_are_told_apart() {
    let input = b"4\r\nwiki\r\n5;name=\"va;lue\"\r\npedia\r\n0\r\nA: b\r\nC: d\r\n\r\nNEXT";
    for step in 1..input.len() {
        let (payload, trailers, consumed) = decode(input, step).expect("valid");
        assert_eq!(payload, b"wikipedia");
        assert_eq!(trailers, b"A: b\r\nC: d\r\n");
        assert_eq!(&input[consumed..], b"NEXT");
    }
}

#[test]
fn ambiguous_bodies_are_refused() {
    for input in [
        "\r\n",
        "4\nwiki\r\n0\r\n\r\n",
        "4\r\nwiki\n0\r\n\r\n",
        "4\r\nwikipedia\r\n0\r\n\r\n",
        "0x4\r\nwiki\r\n0\r\n\r\n",
        "+4\r\nwiki\r\n0\r\n\r\n",
        "-4\r\nwiki\r\n0\r\n\r\n",
        " 4\r\nwiki\r\n0\r\n\r\n",
        "4 \r\nwiki\r\n0\r\n\r\n",
        "4;a\nb\r\nwiki\r\n0\r\n\r\n",
        "4;a\rb\r\nwiki\r\n0\r\n\r\n",
        "00000000000000004\r\nwiki\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\n\n",
    ] {
        assert_eq!(decode(input.as_bytes(), 1024), Err(BadChunk), "{input:?}");
    }
}

#[test]
fn endless_extensions_and_trailers_are_refused() {
    let extension = format!("4;{}", "a".repeat(MAX_EXTENSION_BYTES + 1));
    assert_eq!(decode(extension.as_bytes(), 100), Err(BadChunk));
    let trailers = format!("0\r\n{}", "A: b\r\n".repeat(MAX_TRAILER_BYTES / 6 + 1));
    assert_eq!(decode(trailers.as_bytes(), 100), Err(BadChunk));
}

#[test]
fn an_empty_chunk_is_not_written() {
    let mut out = b"head".to_vec();
    encode_chunk(&mut out, 4096, |_| ());
    assert_eq!(out, b"head");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 1..600), 0usize..5000), 0..8),
        step in 1usize..700,
    ) {
        let mut out = Vec::new();
        let mut expected = Vec::new();
        for (piece, surplus) in &pieces {
            encode_chunk(&mut out, piece.len() + surplus, |out| out.extend_from_slice(piece));
            expected.extend_from_slice(piece);
        }
        encode_end(&mut out, b"X: y\r\n");
        let (payload, trailers, consumed) = decode(&out, step).expect("what we write is valid");
        prop_assert_eq!(payload, expected);
        prop_assert_eq!(trailers, b"X: y\r\n");
        prop_assert_eq!(consumed, out.len());
    }

    #[test]
    fn any_input_is_answered(input in proptest::collection::vec(any::<u8>(), 0..400), step in 1usize..50) {
        let _ = decode(&input, step);
    }
}
