//! Builds small documents for the tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{Cursor, Write};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A zip archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, SimpleFileOptions::default()).expect("start");
        archive.write_all(content).expect("write");
    }
    archive.finish().expect("finish").into_inner()
}

/// A DOCX with this body and no other part.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    archive(&[("word/document.xml", document.as_bytes())])
}

/// A PDF under construction: a catalog and an empty page tree.
pub(crate) struct Pdf {
    pub(crate) document: Document,
    pub(crate) root: ObjectId,
    pub(crate) kids: Vec<Object>,
}

impl Pdf {
    pub(crate) fn new() -> Self {
        let mut document = Document::with_version("1.7");
        let root = document.new_object_id();
        let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
        document.trailer.set("Root", catalog);
        Self { document, root, kids: Vec::new() }
    }

    /// Adds a page that draws `content`, its stream compressed.
    pub(crate) fn page(&mut self, content: &[u8], resources: Dictionary) -> ObjectId {
        let mut stream = Stream::new(Dictionary::new(), content.to_vec());
        stream.compress().expect("compress");
        let content = self.document.add_object(stream);
        let page = self.document.add_object(dictionary! {
            "Type" => "Page", "Parent" => self.root, "Contents" => content, "Resources" => resources,
        });
        self.kids.push(page.into());
        page
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let tree = dictionary! { "Type" => "Pages", "Count" => self.kids.len() as i64, "Kids" => self.kids };
        self.document.objects.insert(self.root, tree.into());
        let mut bytes = Vec::new();
        self.document.save_to(&mut bytes).expect("save");
        bytes
    }
}

/// Resources with one font called `F1`.
pub(crate) fn with_font(font: Dictionary) -> Dictionary {
    dictionary! { "Font" => dictionary! { "F1" => font } }
}

/// Helvetica in the encoding of Windows, not embedded.
pub(crate) fn helvetica() -> Dictionary {
    dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding" }
}
