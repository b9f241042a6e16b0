//! The parts of a glTF document that triangles depend on; everything else is skipped unread.
//!
//! The `gltf-json` crate models all of glTF: it would refuse a mesh for a typing error in a material and
//! allocate for textures and animations. What is here is refused where a type is wrong or an entry is
//! negative; whether references lead anywhere is checked where they are followed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::{MeshError, Result};

/// Required extensions without which the triangles are still the right ones.
const HARMLESS_EXTENSIONS: [&str; 11] = [
    "KHR_mesh_quantization",
    "KHR_animation_pointer",
    "KHR_node_visibility",
    "MSFT_texture_dds",
    "MSFT_packing_occlusionRoughnessMetallic",
    "AGI_articulations",
    "CESIUM_primitive_outline",
    "EXT_structural_metadata",
    "EXT_mesh_features",
    "VRM",
    "VRMC_vrm",
];
const HARMLESS_PREFIXES: [&str; 7] = [
    "KHR_materials_",
    "KHR_technique",
    "KHR_texture_",
    "EXT_texture_",
    "EXT_lights_",
    "KHR_lights_",
    "KHR_xmp",
];
/// Required extensions that `draco` decodes.
const DECODED_EXTENSION: &str = "KHR_draco_mesh_compression";

/// A glTF document.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Document<'a> {
    #[serde(deserialize_with = "present")]
    asset: Option<Object<Asset>>,
    extensions_required: Vec<String>,
    #[serde(deserialize_with = "present")]
    pub scene: Option<u32>,
    #[serde(deserialize_with = "present")]
    pub scenes: Option<Vec<Object<Scene>>>,
    #[serde(deserialize_with = "present")]
    pub nodes: Option<Vec<Object<Node>>>,
    #[serde(deserialize_with = "present")]
    pub meshes: Option<Vec<Object<Mesh>>>,
    pub accessors: Vec<Object<Accessor>>,
    pub buffer_views: Vec<Object<BufferView>>,
    #[serde(borrow)]
    pub buffers: Vec<Object<Buffer<'a>>>,
}

#[derive(Debug, serde::Deserialize)]
struct Asset {
    version: Option<Value>,
}

/// Roots of one scene.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Scene {
    pub nodes: Vec<u32>,
}

/// One node, boxed where a field is rare, since a file may hold very many empty ones.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Node {
    pub children: Vec<u32>,
    #[serde(deserialize_with = "present")]
    pub mesh: Option<u32>,
    #[serde(deserialize_with = "present")]
    pub matrix: Option<Box<[Real; 16]>>,
    #[serde(deserialize_with = "present")]
    pub translation: Option<Box<[Real; 3]>>,
    #[serde(deserialize_with = "present")]
    pub rotation: Option<Box<[Real; 4]>>,
    #[serde(deserialize_with = "present")]
    pub scale: Option<Box<[Real; 3]>>,
    pub extensions: Object<NodeExtensions>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct NodeExtensions {
    #[serde(rename = "EXT_mesh_gpu_instancing")]
    pub gpu_instancing: Option<IgnoredAny>,
}

/// A mesh as a list of primitives.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Mesh {
    pub primitives: Vec<Object<Primitive>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Primitive {
    #[serde(deserialize_with = "present")]
    pub mode: Option<u32>,
    pub attributes: Object<Attributes>,
    #[serde(deserialize_with = "present")]
    pub indices: Option<u32>,
    pub extensions: Object<PrimitiveExtensions>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Attributes {
    #[serde(rename = "POSITION", deserialize_with = "present")]
    pub position: Option<u32>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PrimitiveExtensions {
    #[serde(rename = "KHR_draco_mesh_compression", deserialize_with = "present")]
    pub draco: Option<Box<Object<DracoPrimitive>>>,
}

/// Where a compressed primitive lies; its attributes are ids within the compressed data.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DracoPrimitive {
    pub buffer_view: u32,
    pub attributes: Object<Attributes>,
}

/// A typed array over a buffer view.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accessor {
    #[serde(default, deserialize_with = "present")]
    pub buffer_view: Option<u32>,
    #[serde(default)]
    pub byte_offset: u64,
    pub component_type: u32,
    pub count: u64,
    #[serde(rename = "type")]
    pub row_type: RowType,
    #[serde(default)]
    pub normalized: bool,
    #[serde(default, deserialize_with = "present")]
    pub sparse: Option<Box<Object<Sparse>>>,
}

/// What a row of an accessor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum RowType {
    #[serde(rename = "SCALAR")]
    Scalar,
    #[serde(rename = "VEC3")]
    Vec3,
    #[serde(other)]
    Other,
}

/// Rows that replace some of an accessor's.
#[derive(Debug, serde::Deserialize)]
pub struct Sparse {
    pub count: u64,
    pub indices: Object<SparseIndices>,
    pub values: Object<SparseValues>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SparseIndices {
    pub buffer_view: u32,
    #[serde(default)]
    pub byte_offset: u64,
    pub component_type: u32,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SparseValues {
    pub buffer_view: u32,
    #[serde(default)]
    pub byte_offset: u64,
}

/// A range of a buffer.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BufferView {
    pub buffer: u32,
    #[serde(default)]
    pub byte_offset: u64,
    pub byte_length: u64,
    /// Bytes from row to row; 0 where the rows are packed.
    #[serde(default)]
    pub byte_stride: u64,
    #[serde(default)]
    pub extensions: Object<BufferExtensions>,
}

/// Bytes in the file, in the text or in a side file.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Buffer<'a> {
    #[serde(default, borrow)]
    pub uri: Option<Cow<'a, str>>,
    pub byte_length: u64,
    #[serde(default)]
    pub extensions: Object<BufferExtensions>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct BufferExtensions {
    #[serde(rename = "EXT_meshopt_compression")]
    pub meshopt: Option<IgnoredAny>,
}

/// A number of a transform; NaN where the text says so in a word that JSON does not have.
#[derive(Debug, Clone, Copy)]
pub struct Real(pub f64);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(value.unwrap_or(f64::NAN)))
    }
}

/// A JSON object. A structure alone would also be read from an array, its fields in order.
#[derive(Debug, Default)]
pub struct Object<T>(T);

impl<T> Deref for Object<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A value that may be absent but not null: null is no index, and no array.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The text of a document. Bytes that are not UTF-8 are forgiven, since only names can hold them, and so is
/// padding by zero bytes.
pub fn text_of(content: &[u8]) -> Cow<'_, str> {
    let is_padding = |byte: &u8| matches!(byte, 0 | b' ' | b'\r' | b'\n' | b'\t');
    let start = content.iter().position(|byte| !is_padding(byte));
    let end = content.iter().rposition(|byte| !is_padding(byte));
    let content = match (start, end) {
        (Some(start), Some(end)) => &content[start..=end],
        _ => &[],
    };
    String::from_utf8_lossy(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))
}

impl<'a> Document<'a> {
    /// Parses the text; refused with LOAD where it is malformed or glTF 1, NOT_A_MESH where it is no glTF.
    pub fn parse(text: &'a str) -> Result<Self> {
        let document = match serde_json::from_str::<Object<Self>>(text) {
            Ok(document) => document.0,
            Err(error) => return Self::parse_again(text, &error),
        };
        let version = document.asset.as_ref().and_then(|a| a.version.as_ref());
        check_version(version)?;
        let is_gltf = document.asset.is_some()
            || document.meshes.is_some()
            || document.nodes.is_some()
            || document.scenes.is_some();
        if !is_gltf {
            return Err(no_gltf());
        }
        Ok(document)
    }

    /// Parses a text that is no valid JSON but for the words NaN and Infinity, as some writers give them, or
    /// says what is wrong.
    fn parse_again(text: &str, error: &serde_json::Error) -> Result<Self> {
        let malformed = |error: &serde_json::Error| {
            MeshError::Load(format!("its JSON is malformed: {error}; export it again"))
        };
        if error.is_syntax() {
            let Some(nulled) = without_non_finite(text) else {
                return Err(malformed(error));
            };
            // Transforms with such a number are found out by the coordinates they give.
            let document: Object<Document> =
                serde_json::from_str(&nulled).map_err(|e| malformed(&e))?;
            return document.0.into_owned();
        }
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(object)) => {
                if !["asset", "meshes", "nodes", "scenes"]
                    .iter()
                    .any(|key| object.contains_key(*key))
                {
                    return Err(no_gltf());
                }
                check_version(object.get("asset").and_then(|asset| asset.get("version")))?;
                Err(malformed(error))
            }
            _ => Err(malformed(error)),
        }
    }

    fn into_owned<'b>(self) -> Result<Document<'b>> {
        let buffers = self.buffers.into_iter().map(|Object(buffer)| {
            Object(Buffer {
                uri: buffer.uri.map(|uri| Cow::Owned(uri.into_owned())),
                ..buffer
            })
        });
        Ok(Document {
            buffers: buffers.collect(),
            ..self
        })
    }

    /// Refuses with NEEDS_DECODER where a required extension changes the triangles.
    pub fn check_decodable(&self) -> Result<()> {
        let unknown: Vec<&str> = self
            .extensions_required
            .iter()
            .map(String::as_str)
            .filter(|name| {
                *name != DECODED_EXTENSION
                    && !HARMLESS_EXTENSIONS.contains(name)
                    && !HARMLESS_PREFIXES.iter().any(|p| name.starts_with(p))
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(MeshError::NeedsDecoder(format!(
            "requires {}",
            unknown.join(", ")
        )))
    }
}

fn no_gltf() -> MeshError {
    MeshError::NotAMesh("a JSON text that is no glTF; download it again".into())
}

fn check_version(version: Option<&Value>) -> Result<()> {
    let version = match version {
        None => return Ok(()),
        Some(Value::String(version)) => version.clone(),
        Some(other) => other.to_string(),
    };
    if version.starts_with("2.") {
        return Ok(());
    }
    Err(MeshError::Load(format!(
        "glTF {version}, only 2.0 can be read; convert it"
    )))
}

/// The text with NaN and infinities outside strings replaced by null; `None` where there are none.
fn without_non_finite(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut nulled = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_changed = false;
    while let Some(position) = rest.find(['"', 'N', 'I', '-']) {
        let (before, after) = rest.split_at(position);
        nulled.push_str(before);
        if let Some(word) = WORDS.iter().find(|word| after.starts_with(**word)) {
            nulled.push_str("null");
            rest = &after[word.len()..];
            is_changed = true;
            continue;
        }
        let length = match after.starts_with('"') {
            true => string_length(after),
            false => 1,
        };
        nulled.push_str(&after[..length]);
        rest = &after[length..];
    }
    nulled.push_str(rest);
    is_changed.then_some(nulled)
}

/// Bytes of the JSON string that the text starts with, quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}
