//! The schema as a table to walk by: for each place in a file, which keys and values it may have.

use std::collections::HashMap;

use serde_json::Value;

/// The number of a shape in [`Shapes`].
pub(crate) type ShapeId = usize;

/// What a value must look like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text; of a type of its own it may follow a grammar.
    Text { owner: String },
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Whole { min: i64, max: u64 },
    /// Any number.
    Number { min: f64, above_min: bool, max: f64 },
    /// One of some words.
    Words(Words),
    /// A list of one kind of thing.
    List(ShapeId),
    /// A mapping with known keys.
    Map(MapShape),
    /// One of several; which one is told by what stands there.
    Either(Vec<ShapeId>),
}

#[derive(Debug)]
pub(crate) struct Words {
    /// The type's name in the schema.
    pub(crate) owner: String,
    pub(crate) words: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct MapShape {
    /// The type's name in the schema.
    pub(crate) owner: String,
    pub(crate) keys: HashMap<String, ShapeId>,
    pub(crate) required: Vec<String>,
}

/// All shapes of a schema.
#[derive(Debug)]
pub struct Shapes {
    shapes: Vec<Shape>,
    pub(crate) root: ShapeId,
}

impl Shapes {
    pub(crate) fn get(&self, id: ShapeId) -> &Shape {
        &self.shapes[id]
    }

    /// The alternatives of a shape: itself, unless it is [`Shape::Either`].
    pub(crate) fn alternatives(&self, id: ShapeId) -> Vec<ShapeId> {
        match self.get(id) {
            Shape::Either(ids) => ids.iter().flat_map(|id| self.alternatives(*id)).collect(),
            _ => vec![id],
        }
    }

    /// Reads the shapes of a schema. An error names what in the schema has no shape here; the
    /// schema is our own, so a test meets it first.
    pub fn of(schema: &Value) -> Result<Self, String> {
        let mut reader = Reader { schema, shapes: Vec::new(), named: HashMap::new() };
        let name = schema["title"].as_str().unwrap_or_default();
        let root = reader.reserve();
        reader.read_into(root, schema, name)?;
        let shapes = reader.shapes.into_iter().collect::<Option<Vec<_>>>();
        Ok(Self { shapes: shapes.ok_or("a reference leads to nothing")?, root })
    }
}

struct Reader<'a> {
    schema: &'a Value,
    /// `None` while a shape is being read: a child has children.
    shapes: Vec<Option<Shape>>,
    named: HashMap<&'a str, ShapeId>,
}

impl<'a> Reader<'a> {
    fn reserve(&mut self) -> ShapeId {
        self.shapes.push(None);
        self.shapes.len() - 1
    }

    fn read(&mut self, schema: &'a Value, name: &'a str) -> Result<ShapeId, String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(id) = self.named.get(name) {
                return Ok(*id);
            }
            let id = self.reserve();
            self.named.insert(name, id);
            let definition = &self.schema["$defs"][name];
            self.read_into(id, definition, name)?;
            return Ok(id);
        }
        let id = self.reserve();
        self.read_into(id, schema, name)?;
        Ok(id)
    }

    fn read_into(&mut self, id: ShapeId, schema: &'a Value, name: &'a str) -> Result<(), String> {
        let shape = self.shape(schema, name)?;
        self.shapes[id] = Some(shape);
        Ok(())
    }

    fn shape(&mut self, schema: &'a Value, name: &'a str) -> Result<Shape, String> {
        if let Some(words) = schema["oneOf"].as_array() {
            let words =
                words.iter().map(|word| word["const"].as_str().map(str::to_owned)).collect::<Option<_>>();
            let words = words.ok_or_else(|| format!("a word of {name} is no constant"))?;
            return Ok(Shape::Words(Words { owner: name.to_owned(), words }));
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let ids = alternatives.iter().map(|schema| self.read(schema, name)).collect::<Result<_, _>>()?;
            return Ok(Shape::Either(ids));
        }
        match schema["type"].as_str() {
            Some("string") => Ok(Shape::Text { owner: name.to_owned() }),
            Some("boolean") => Ok(Shape::Bool),
            Some("integer") => Ok(whole(schema)),
            Some("number") => Ok(number(schema)),
            Some("array") => Ok(Shape::List(self.read(&schema["items"], name)?)),
            Some("object") => self.map(schema, name),
            other => Err(format!("{name} has the type {other:?}")),
        }
    }

    fn map(&mut self, schema: &'a Value, name: &str) -> Result<Shape, String> {
        let mut keys = HashMap::new();
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            keys.insert(key.clone(), self.read(property, key)?);
        }
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.filter_map(|key| key.as_str().map(str::to_owned)).collect();
        Ok(Shape::Map(MapShape { owner: name.to_owned(), keys, required }))
    }
}

fn whole(schema: &Value) -> Shape {
    let most = match schema["format"].as_str() {
        Some("uint8") => u64::from(u8::MAX),
        Some("uint32") => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    Shape::Whole {
        min: schema["minimum"].as_i64().unwrap_or(0),
        max: schema["maximum"].as_u64().unwrap_or(most),
    }
}

fn number(schema: &Value) -> Shape {
    let above = schema["exclusiveMinimum"].as_f64();
    Shape::Number {
        min: above.or(schema["minimum"].as_f64()).unwrap_or(f64::MIN),
        above_min: above.is_some(),
        max: schema["maximum"].as_f64().unwrap_or(f64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_api::manifest::StackManifest;

    fn map<'a>(shapes: &'a Shapes, owner: &str) -> &'a MapShape {
        let is_it = |shape: &'a Shape| match shape {
            Shape::Map(map) if map.owner == owner => Some(map),
            _ => None,
        };
        shapes.shapes.iter().find_map(is_it).unwrap_or_else(|| panic!("{owner} is no mapping"))
    }

    #[test]
    fn a_whole_schema_has_shapes_and_what_stands_in_itself_does() {
        let shapes = Shapes::of(&crate::schema::schema_of::<StackManifest>()).unwrap();
        let child = map(&shapes, "ChildManifest");
        assert_eq!(child.required, ["name", "kind"]);
        let Shape::List(item) = shapes.get(child.keys["children"]) else { panic!("a list") };
        assert!(matches!(shapes.get(*item), Shape::Map(map) if map.owner == "ChildManifest"));
        assert!(matches!(shapes.get(child.keys["name"]), Shape::Text { owner } if owner == "ChildId"));
        let restarts = map(&shapes, "BudgetLimits").keys["max_restarts"];
        assert!(matches!(shapes.get(restarts), Shape::Whole { min: 0, max: 0xffff_ffff }));
    }
}
