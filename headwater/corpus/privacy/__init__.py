"""Does a text say what belongs to a person? Marks e-mail addresses, numbers of people and secrets, and replaces them."""
