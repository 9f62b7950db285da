"""The recipe's schema and the stage runner: the one room that knows every other and hands them to each other."""
