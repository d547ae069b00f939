use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::executable;

/// The programs that jobs may run, by the name of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs(BTreeMap<String, Program>);

/// A program and its fixed arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    image: String,
    path: PathBuf,
    args: Vec<String>,
}

/// An entry of the allow-list that can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProgram {
    /// Not of the form `IMAGE=PROGRAM [ARGUMENT …]`.
    #[error("{0:?} is not of the form IMAGE=PROGRAM [ARGUMENT ...]")]
    Form(String),
    /// A comma in the image's name: the cluster is asked for images with commas between them.
    #[error("the image {0:?} has a comma, and is none that a runner can ask for")]
    Comma(String),
    /// One name for two programs.
    #[error("the image {0:?} is given twice")]
    Twice(String),
    /// A program that can't be executed.
    #[error("the image {image:?}: {path} can't be executed: {why}", path = path.display())]
    NotExecutable {
        /// The image that stands for it.
        image: String,
        /// The program.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl Program {
    /// The name of the image that stands for it.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The file to run; without a slash it is looked for in `PATH`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its arguments.
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

/// `wordcount=/usr/bin/wc -w`. Arguments end at white space; a program that needs more gets a script.
impl FromStr for Program {
    type Err = InvalidProgram;

    fn from_str(entry: &str) -> Result<Program, InvalidProgram> {
        let invalid = || InvalidProgram::Form(entry.to_owned());
        let (image, command) = entry.split_once('=').ok_or_else(invalid)?;
        let mut words = command.split_whitespace();
        let path = words.next().ok_or_else(invalid)?;
        let image = image.trim();
        if image.is_empty() {
            return Err(invalid());
        }
        if image.contains(',') {
            return Err(InvalidProgram::Comma(image.to_owned()));
        }
        Ok(Program { image: image.to_owned(), path: path.into(), args: words.map(str::to_owned).collect() })
    }
}

impl Programs {
    /// An allow-list.
    ///
    /// # Errors
    /// When two programs have the same image.
    pub fn new(programs: impl IntoIterator<Item = Program>) -> Result<Programs, InvalidProgram> {
        let mut list = BTreeMap::new();
        for program in programs {
            if let Some(first) = list.insert(program.image.clone(), program) {
                return Err(InvalidProgram::Twice(first.image));
            }
        }
        Ok(Programs(list))
    }

    /// Sees whether all of them can be executed, as far as that shows before they are.
    ///
    /// # Errors
    /// The first that can't.
    pub fn check(&self) -> Result<(), InvalidProgram> {
        self.0.values().try_for_each(|Program { image, path, .. }| {
            executable::check(path).map_err(|why| InvalidProgram::NotExecutable {
                image: image.clone(),
                path: path.clone(),
                why,
            })
        })
    }

    /// The images that stand for programs.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The program that an image stands for.
    pub fn get(&self, image: &str) -> Option<&Program> {
        self.0.get(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_an_image_a_program_and_its_arguments() {
        let program: Program = "wordcount=/usr/bin/wc  -w --x=y".parse().expect("a good entry");
        assert_eq!(program.image(), "wordcount");
        assert_eq!(program.path(), Path::new("/usr/bin/wc"));
        assert_eq!(program.args(), ["-w", "--x=y"]);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for bad in ["", "wordcount", "=/usr/bin/wc", "wordcount=", "wordcount=  ", " =a"] {
            assert_eq!(bad.parse::<Program>(), Err(InvalidProgram::Form(bad.to_owned())));
        }
        assert_eq!("a,b=/bin/true".parse::<Program>(), Err(InvalidProgram::Comma("a,b".into())));
    }

    #[test]
    fn an_image_stands_for_one_program() {
        let entries =
            ["a=/bin/true", "b=/bin/true", "a=/bin/false"].map(|entry| entry.parse().expect("a good entry"));
        assert_eq!(Programs::new(entries), Err(InvalidProgram::Twice("a".into())));
    }
}
