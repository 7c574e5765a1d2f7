//! Writes the sample DOCX files and the broken documents next to the text files they are made from.
//!
//! `cargo run -p app-documents --example make_samples -- apps/cv-evaluator/samples`

use std::error::Error;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use lopdf::encryption::crypt_filters::{Aes256CryptFilter, CryptFilter};
use lopdf::{
    Dictionary, Document, EncryptionState, EncryptionVersion, Object, Permissions, Stream, dictionary,
};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const W: &str = r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships""#;
const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: make_samples FOLDER")?;
    let folder = Path::new(&folder);
    let broken = folder.join("broken");
    fs::create_dir_all(&broken)?;
    for name in ["sample-cv", "sample-project"] {
        let text = fs::read_to_string(folder.join(name).with_extension("txt"))?;
        fs::write(folder.join(name).with_extension("docx"), docx(&text)?)?;
    }
    let whole = docx("A document that is cut off.\nIt had a second line.")?;
    fs::write(broken.join("corrupt.docx"), &whole[..whole.len() / 2])?;
    fs::write(broken.join("empty.docx"), docx("")?)?;
    fs::write(broken.join("empty.txt"), "\u{FEFF} \r\n\t\r\n")?;
    fs::write(broken.join("empty.pdf"), saved(pdf("", None))?)?;
    fs::write(
        broken.join("scanned.pdf"),
        saved(pdf("q 500 0 0 700 50 50 cm /Im1 Do Q", Some(picture_of_a_page())))?,
    )?;
    let words = "BT /F1 12 Tf 72 700 Td (Only with a password.) Tj ET";
    fs::write(broken.join("encrypted.pdf"), saved(encrypted(pdf(words, None))?)?)?;
    let mut corrupt = saved(pdf(words, None))?;
    let middle = corrupt.len() / 4;
    corrupt.truncate(corrupt.len() / 2);
    corrupt[middle..].fill(b'#');
    fs::write(broken.join("corrupt.pdf"), corrupt)?;
    Ok(())
}

// === DOCX ===

/// A document with what real ones have: the first line in a page header, an address as a hyperlink, lines of the form
/// `key: value` under a heading as a table.
fn docx(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let title = lines.next().unwrap_or_default();
    let mut body = String::new();
    let mut rows = String::new();
    for line in lines {
        match line.split_once(": ") {
            Some((key, value)) if key.len() < 12 && !key.starts_with('•') => {
                let key = format!("{key}:");
                rows += &format!(
                    "<w:tr><w:tc><w:tcPr><w:tcW w:w=\"1800\" w:type=\"dxa\"/></w:tcPr>{}</w:tc>\
                     <w:tc><w:tcPr><w:tcW w:w=\"7200\" w:type=\"dxa\"/></w:tcPr>{}</w:tc></w:tr>",
                    paragraph(&key, true),
                    paragraph(value, false)
                );
            }
            _ => {
                body += &table(&std::mem::take(&mut rows));
                body += &paragraph(line, is_heading(line));
            }
        }
    }
    body += &table(&rows);
    let document = format!(
        "{DECLARATION}<w:document {W}><w:body>{body}<w:sectPr><w:headerReference w:type=\"first\" r:id=\"rId1\"/>\
         <w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1134\" w:right=\"1134\" w:bottom=\"1134\" w:left=\"1134\" \
         w:header=\"567\" w:footer=\"567\" w:gutter=\"0\"/><w:titlePg/></w:sectPr></w:body></w:document>"
    );
    let header = format!("{DECLARATION}<w:hdr {W}>{}</w:hdr>", paragraph(title, true));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [
        ("[Content_Types].xml", CONTENT_TYPES),
        ("_rels/.rels", PACKAGE_RELATIONS),
        ("word/document.xml", &document),
        ("word/header1.xml", &header),
        ("word/_rels/document.xml.rels", DOCUMENT_RELATIONS),
    ] {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(content.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

fn is_heading(line: &str) -> bool {
    line.len() < 60 && !line.starts_with('•') && !line.contains(['.', ',', '@'])
        || line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok())
}

fn table(rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("<w:tbl><w:tblPr><w:tblW w:w=\"9000\" w:type=\"dxa\"/></w:tblPr>{rows}</w:tbl>")
}

fn paragraph(text: &str, bold: bool) -> String {
    let bold = if bold { "<w:b/>" } else { "" };
    let font = r#"<w:rFonts w:ascii="Liberation Serif" w:hAnsi="Liberation Serif"/>"#;
    let properties = format!("<w:rPr>{font}{bold}<w:sz w:val=\"24\"/></w:rPr>");
    let run = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!("<w:r>{properties}<w:t xml:space=\"preserve\">{text}</w:t></w:r>")
    };
    let content = match text.split_once(" | ") {
        Some((address, rest)) if address.contains('@') => {
            format!("<w:hyperlink r:id=\"rId2\">{}</w:hyperlink>{}", run(address), run(&format!(" | {rest}")))
        }
        _ if text.is_empty() => String::new(),
        _ => run(text),
    };
    format!("<w:p>{content}</w:p>")
}

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/header1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml"/></Types>"#;

const PACKAGE_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;

const DOCUMENT_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/header" Target="header1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink" Target="mailto:someone@example.com" TargetMode="External"/></Relationships>"#;

// === PDF ===

fn pdf(content: &str, picture: Option<Stream>) -> Document {
    let mut document = Document::with_version("1.7");
    let pages = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let mut resources = dictionary! { "Font" => dictionary! { "F1" => font } };
    if let Some(picture) = picture {
        let picture = document.add_object(picture);
        resources.set("XObject", dictionary! { "Im1" => picture });
    }
    let content = document.add_object(Stream::new(Dictionary::new(), content.as_bytes().to_vec()));
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "Contents" => content, "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
    });
    let kids = vec![Object::Reference(page)];
    document.objects.insert(pages, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => 1 }.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    document
}

/// Grey bars on white, as lines of print look from afar.
fn picture_of_a_page() -> Stream {
    let (width, height) = (200_usize, 280_usize);
    let mut pixels = vec![255_u8; width * height];
    for line in (20..height - 20).step_by(10) {
        let end = width - 20 - (line * 37) % 60;
        for row in line..line + 4 {
            pixels[row * width + 20..row * width + end].fill(90);
        }
    }
    let mut picture = Stream::new(
        dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => width as i64, "Height" => height as i64,
            "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8,
        },
        pixels,
    );
    // A picture that would not compress is still a picture.
    let _ = picture.compress();
    picture
}

fn encrypted(mut document: Document) -> Result<Document, Box<dyn Error>> {
    let filter: std::sync::Arc<dyn CryptFilter> = std::sync::Arc::new(Aes256CryptFilter);
    let version = EncryptionVersion::V5 {
        encrypt_metadata: true,
        crypt_filters: [(b"StdCF".to_vec(), filter)].into(),
        file_encryption_key: &[7; 32],
        stream_filter: b"StdCF".to_vec(),
        string_filter: b"StdCF".to_vec(),
        owner_password: "owner of the sample",
        user_password: "reader of the sample",
        permissions: Permissions::all(),
    };
    document.trailer.set("ID", vec![Object::string_literal("sample"), Object::string_literal("sample")]);
    let state = EncryptionState::try_from(version)?;
    document.encrypt(&state)?;
    Ok(document)
}

fn saved(mut document: Document) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes)?;
    Ok(bytes)
}
