//! Forms, whose fields say where in the input they stand, such as `MetricData.member.1.Value`, and
//! the XML that they are answered with.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use millpond_api::types::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Answer, Fault, MAPS_MAX, Service, Tree, too_many};

/// How deep a field may stand.
const DEPTH_MAX: usize = 16;

/// Fields that are deeper than any input are left out, like all that nobody asks for.
pub(super) fn read(body: &[u8]) -> Result<Tree, Fault> {
    let (mut root, mut maps) = (BTreeMap::new(), 0);
    for (name, value) in form_urlencoded::parse(body) {
        if name.split('.').count() <= DEPTH_MAX {
            put(&mut root, &name, value, &mut maps);
        }
        if maps > MAPS_MAX {
            return Err(too_many());
        }
    }
    Ok(Tree::Map(root))
}

fn put(members: &mut BTreeMap<String, Tree>, path: &str, value: Cow<'_, str>, maps: &mut usize) {
    let Some((first, rest)) = path.split_once('.') else {
        members.insert(path.to_owned(), Tree::Text(value.into_owned()));
        return;
    };
    let member = members.entry(first.to_owned()).or_insert_with(|| {
        *maps += 1;
        Tree::map([])
    });
    if let Tree::Map(members) = member {
        put(members, rest, value, maps);
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "http://monitoring.amazonaws.com/doc/2010-08-01/",
    }
}

pub(super) fn write(answer: &Answer<'_>, request_id: &str) -> Vec<u8> {
    let Answer { service, operation, output } = answer;
    let written = document(&format!("{operation}Response"), *service, |xml| {
        if let Some(output) = output {
            element(xml, &format!("{operation}Result"), output)?;
        }
        element(xml, "ResponseMetadata", &Tree::map([("RequestId", request_id.into())]))
    });
    written.expect("a string takes all that is written")
}

pub(super) fn write_fault(service: Service, fault: &Fault, request_id: &str) -> Vec<u8> {
    let error = Tree::map([
        ("Type", "Sender".into()),
        ("Code", fault.code.into()),
        ("Message", (&*fault.message).into()),
    ]);
    let written = document("ErrorResponse", service, |xml| {
        element(xml, "Error", &error)?;
        element(xml, "RequestId", &request_id.into())
    });
    written.expect("a string takes all that is written")
}

fn document(
    name: &str,
    service: Service,
    content: impl FnOnce(&mut String) -> fmt::Result,
) -> Result<Vec<u8>, fmt::Error> {
    let mut xml = format!(r#"<{name} xmlns="{}">"#, namespace(service));
    content(&mut xml)?;
    write!(xml, "</{name}>")?;
    Ok(xml.into_bytes())
}

fn element(xml: &mut String, name: &str, tree: &Tree) -> fmt::Result {
    write!(xml, "<{name}>")?;
    match tree {
        Tree::Text(text) => escape(xml, text)?,
        Tree::Number(number) => write!(xml, "{number:?}")?,
        Tree::Time(at) => xml.push_str(&rfc3339(*at)),
        Tree::Flag(flag) => write!(xml, "{flag}")?,
        Tree::List(values) => values.iter().try_for_each(|value| element(xml, "member", value))?,
        Tree::Map(members) => {
            members.iter().try_for_each(|(name, value)| element(xml, name, value))?;
        }
    }
    write!(xml, "</{name}>")
}

fn rfc3339(at: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at.seconds());
    let moment = moment.ok().and_then(|moment| moment.format(&Rfc3339).ok());
    moment.expect("times are of the years that were checked when they came")
}

/// What XML 1.0 can't hold at all becomes a question mark.
fn escape(xml: &mut String, text: &str) -> fmt::Result {
    text.chars().try_for_each(|letter| match letter {
        '&' => xml.write_str("&amp;"),
        '<' => xml.write_str("&lt;"),
        '>' => xml.write_str("&gt;"),
        '\t' | '\n' | '\r' => write!(xml, "&#{};", u32::from(letter)),
        letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
            xml.write_char('?')
        }
        letter => xml.write_char(letter),
    })
}
