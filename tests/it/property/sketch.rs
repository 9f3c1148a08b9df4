//! A model in pieces, and how a failing one is made small.

use super::generate::FUNCTIONS;
use std::collections::BTreeMap;

/// A model as text, piece by piece.
#[derive(Clone)]
pub(super) struct Sketch {
    pub(super) opset: u64,
    /// Whether rounding is carried on about as large as it is made.
    pub(super) smooth: bool,
    /// Floats that are found among the constants and the inputs.
    pub(super) special: &'static [f64],
    /// Inputs as declared, `float[N,4] x1`; with ` = {..}` behind where a caller may override them.
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) initializers: Vec<String>,
    /// One assignment each.
    pub(super) lines: Vec<String>,
    /// Types of values with the sizes that they have in a run.
    pub(super) types: BTreeMap<String, String>,
}

impl Sketch {
    /// In ONNX textual syntax.
    pub(super) fn text(&self) -> String {
        let calls = self.lines.iter().any(|l| l.contains("local."));
        let foreign = self.lines.iter().any(|l| l.contains("com.microsoft."));
        let mut imports = format!("\"\" : {}", self.opset);
        for (_, domain) in
            [(calls, "local"), (foreign, "com.microsoft")].into_iter().filter(|(used, _)| *used)
        {
            imports += &format!(", \"{domain}\" : 1");
        }
        let function = |body: &&str| format!("<domain: \"local\", opset_import: [{imports}]>\n{body}\n");
        let functions: String = FUNCTIONS.iter().filter(|_| calls).map(function).collect();
        format!(
            "<ir_version: 10, opset_import: [{imports}]>\ng ({}) => ({})\n<{}>\n{{\n    {}\n}}\n{functions}",
            self.inputs.join(", "),
            self.outputs.join(", "),
            self.initializers.join(", "),
            self.lines.join("\n    ")
        )
    }

    /// The smallest sketch found for which `fails` holds, as it does for this one.
    pub(super) fn shrunk(&self, fails: &dyn Fn(&Self) -> bool) -> Self {
        let mut best = self.clone();
        loop {
            let smaller = best.candidates().into_iter().map(Self::cleaned);
            let Some(next) = smaller.filter(|s| s.size() < best.size()).find(|s| fails(s)) else {
                return best;
            };
            best = next;
        }
    }

    fn size(&self) -> usize {
        let characters = |parts: &[String]| parts.iter().map(|p| 1 + p.len()).sum::<usize>();
        1000 * self.lines.len()
            + 100 * (self.outputs.len() + self.initializers.len())
            + characters(&self.lines)
            + characters(&self.inputs)
    }

    /// Everything that is one step smaller, the largest steps first.
    fn candidates(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for at in 0..self.outputs.len() {
            let mut only = self.clone();
            only.outputs = vec![self.outputs[at].clone()];
            found.push(only);
        }
        for at in (0..self.lines.len()).rev() {
            found.extend(self.with_inputs_for(at));
            found.extend(self.without_step(at));
        }
        for at in 0..self.inputs.len() {
            let mut fixed = self.clone();
            fixed.inputs[at] = fixed.inputs[at].replace("[N,", "[3,").replace(",N,", ",3,");
            fixed.inputs[at].truncate(self.inputs[at].len());
            if fixed.inputs[at] != self.inputs[at] {
                // Not smaller, but what can be cut then is.
                found.extend((0..fixed.lines.len()).rev().filter_map(|at| fixed.with_inputs_for(at)));
            }
        }
        found
    }

    /// A line less; what it gives becomes inputs.
    fn with_inputs_for(&self, at: usize) -> Option<Self> {
        let mut smaller = self.clone();
        let line = smaller.lines.remove(at);
        for name in results(&line) {
            smaller.inputs.push(format!("{} {name}", self.types.get(name)?));
        }
        Some(smaller)
    }

    /// A line less; who reads it reads one of its own operands of the same type.
    fn without_step(&self, at: usize) -> Vec<Self> {
        let line = &self.lines[at];
        let [name] = results(line)[..] else { return Vec::new() };
        let operands: Vec<&str> = words(line).filter(|w| *w != name).collect();
        let same = |o: &&&str| self.types.contains_key(**o) && self.types.get(**o) == self.types.get(name);
        let mut found = Vec::new();
        for operand in operands.iter().filter(same) {
            let mut smaller = self.clone();
            smaller.lines.remove(at);
            if let Some(output) = smaller.outputs.iter_mut().find(|o| o.ends_with(&format!(" {name}"))) {
                *output = output.replace(&format!(" {name}"), &format!(" {operand}"));
                if self.outputs.contains(output) || self.inputs.iter().any(|i| name_of(i) == **operand) {
                    continue;
                }
            }
            for line in &mut smaller.lines {
                *line = renamed(line, name, operand);
            }
            found.push(smaller);
        }
        found
    }

    /// Without what nobody reads.
    fn cleaned(mut self) -> Self {
        loop {
            let read = |name: &str, but: usize| {
                let in_lines =
                    self.lines.iter().enumerate().any(|(i, l)| i != but && words(l).any(|w| w == name));
                in_lines || self.outputs.iter().any(|o| o.ends_with(&format!(" {name}")))
            };
            let idle =
                (0..self.lines.len()).rev().find(|&i| results(&self.lines[i]).iter().all(|r| !read(r, i)));
            let none = usize::MAX;
            let inputs: Vec<String> =
                self.inputs.iter().filter(|i| read(&name_of(i), none)).cloned().collect();
            let initializers: Vec<String> =
                self.initializers.iter().filter(|i| read(&name_of(i), none)).cloned().collect();
            (self.inputs, self.initializers) = (inputs, initializers);
            match idle {
                Some(at) => drop(self.lines.remove(at)),
                None => return self,
            }
        }
    }
}

/// The name in `type name` or `type name = {..}`.
fn name_of(declaration: &str) -> String {
    let before = declaration.split(" = ").next().unwrap_or(declaration);
    before.rsplit(' ').next().unwrap_or(before).to_owned()
}

fn results(line: &str) -> Vec<&str> {
    line.split(" = ").next().unwrap_or_default().split(", ").collect()
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_part(c)).filter(|w| !w.is_empty())
}

fn renamed(line: &str, from: &str, to: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        out.push_str(if word == from { to } else { word });
        let gap = more.find(is_part).unwrap_or(more.len());
        out.push_str(&more[..gap]);
        rest = &more[gap..];
    }
    out
}

#[test]
fn a_failure_shrinks_to_the_lines_that_make_it() {
    let sketch = super::generate::Generator::model(0);
    let typed = |name: &str, ty: &str| (name.to_owned(), ty.to_owned());
    let small = Sketch {
        inputs: vec!["float[N,4] x".into(), "float[4] unused".into()],
        outputs: vec!["float[] y".into(), "float[] b".into()],
        initializers: vec!["float k = {1.0}".into()],
        lines: ["a = Neg (x)", "b = Relu (a)", "c = Abs (b)", "d = Mul (c, k)", "y = Exp (d)"]
            .map(str::to_owned)
            .into(),
        types: ["x", "a", "b", "c", "d", "y"].map(|n| typed(n, "float[3,4]")).into(),
        ..sketch
    };
    let both = |s: &Sketch| ["Relu", "Mul"].iter().all(|op| s.lines.iter().any(|l| l.contains(op)));
    let least = small.shrunk(&both);
    assert!(both(&least) && least.lines.len() == 2 && least.outputs.len() == 1, "{}", least.text());
    assert_eq!(least.inputs.len(), 1, "{}", least.text());
}
