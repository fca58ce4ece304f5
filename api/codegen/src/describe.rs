//! The model as it was understood, facts applied, for a comparison with another model.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::{
    Result,
    model::{Kind, Model, Operation, Shape},
};

pub(crate) fn print(model: &Model) -> Result<ExitCode> {
    let operations: Map<String, Value> =
        model.operations.iter().map(|(name, of)| (name.clone(), operation(of))).collect();
    let shapes: Map<String, Value> =
        model.shapes.iter().map(|(name, of)| (name.clone(), shape(of))).collect();
    let description = json!({ "operations": operations, "shapes": shapes });
    println!("{}", serde_json::to_string_pretty(&description)?);
    Ok(ExitCode::SUCCESS)
}

fn operation(operation: &Operation) -> Value {
    let errors: Vec<&str> = operation.errors.iter().map(|error| error.shape.as_str()).collect();
    let kind = operation.static_context_params.get("OperationType");
    json!({
        "input": operation.input.shape,
        "output": operation.output.as_ref().map(|output| &output.shape),
        "errors": errors,
        "plane": kind.map(|kind| &kind.value),
    })
}

fn shape(shape: &Shape) -> Value {
    let members: Map<String, Value> =
        shape.members.iter().map(|(name, of)| (name.clone(), json!(of.shape))).collect();
    let target = |of: &Option<crate::model::Reference>| of.as_ref().map(|of| of.shape.clone());
    let status = match (shape.exception, shape.fault) {
        (false, _) => None,
        (true, false) => Some(400),
        (true, true) => Some(500),
    };
    json!({
        "type": shape.kind,
        "members": (shape.kind == Kind::Structure).then_some(members),
        "required": shape.required,
        "min": shape.min,
        "max": shape.max,
        "pattern": shape.pattern,
        "values": shape.values,
        "item": target(&shape.member),
        "key": target(&shape.key),
        "value": target(&shape.value),
        "status": status,
    })
}
