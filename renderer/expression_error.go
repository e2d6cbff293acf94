package renderer

import (
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
)

// wording prefers a message about an unknown name, which the checker words
// less helpfully, to the checker's own first message.
func (s *scope) wording(expression string, issues *cel.Issues) error {
	if message, offset := s.explain(expression); message != "" {
		return atOffset{offset, message}
	}
	first := issues.Errors()[0]
	message := strings.ReplaceAll(first.Message, varAlias, "var")
	message = strings.TrimSuffix(message, " (in container '')")
	if name, ok := strings.CutPrefix(message, "undeclared reference to "); ok && strings.Contains(expression, strings.Trim(name, "'")+"(") {
		message = "there is no function " + name
	} else if ok {
		message += fmt.Sprintf("; known are %s (write $${ for a literal ${)", strings.Join(s.roots, ", "))
	} else {
		message = syntaxMessage(message)
	}
	return atOffset{max(first.Location.Column(), 0), brief(message, 300)}
}

// The forms of the parser's messages about syntax: what it met, where it met
// it, and which tokens could have stood there.
var (
	syntaxError   = regexp.MustCompile(`(?s)^Syntax error: (mismatched input|extraneous input|no viable alternative at input|token recognition error at:) '(.*?)'(?: expecting (.*))?$`)
	syntaxMissing = regexp.MustCompile(`(?s)^Syntax error: missing '(.*?)' at '(.*)'$`)
)

// endOfExpression is the parser's name of the place behind the last token.
const endOfExpression = "<EOF>"

// syntaxMessage says in plain words what the parser means, and what to write.
func syntaxMessage(message string) string {
	if word, ok := strings.CutPrefix(message, "reserved identifier: "); ok {
		return reservedWord(word)
	}
	if message == "invalid int literal" || message == "invalid uint literal" {
		return "the number does not fit into 64 bits; write a smaller one, or quote it if it is text"
	}
	if m := syntaxMissing.FindStringSubmatch(message); m != nil {
		return missingToken(m[1], m[2])
	}
	m := syntaxError.FindStringSubmatch(message)
	if m == nil {
		return strings.TrimPrefix(message, "Syntax error: ")
	}
	what, met, expected := m[1], strings.TrimSpace(m[2]), m[3]
	switch {
	case what == "token recognition error at:":
		return unknownToken(met)
	case what == "no viable alternative at input":
		return fmt.Sprintf("cannot be read at %q; behind a dot stands the name of a field", met)
	case expected == endOfExpression:
		return fmt.Sprintf("%q does not belong here; put an operator such as + or && before it, or remove it", met)
	case !strings.HasPrefix(expected, "{"): // one token only
		return missingToken(strings.Trim(expected, "'"), met)
	case !strings.Contains(expected, "IDENTIFIER"): // the next of a list, or its end
		return missingToken(strings.Trim(strings.SplitN(expected, ",", 2)[0], "{'}"), met)
	case met == endOfExpression:
		return "the expression ends where a value should follow; write the value, or remove what asks for it"
	}
	return fmt.Sprintf("found %q where a value should stand; write the value, or remove the %q", met, met)
}

func missingToken(token, before string) string {
	if before == endOfExpression {
		return fmt.Sprintf("the expression ends without a %q; add it", token)
	}
	return fmt.Sprintf("there is no %q before %q; add it", token, before)
}

// unknownToken words characters that no token of the language starts with.
func unknownToken(text string) string {
	switch {
	case strings.HasPrefix(text, `'`) || strings.HasPrefix(text, `"`):
		advice := "close it on the same line"
		if strings.Contains(text, `\`) {
			advice += `, and write \\ for a backslash`
		}
		return fmt.Sprintf("the text that starts with %s cannot be read; %s", brief(firstOf(text), 40), advice)
	case text == "=":
		return `"=" does not compare; write "=="`
	case text == "&" || text == "|":
		return fmt.Sprintf("%q is no operator; write %q", text, text+text)
	}
	return fmt.Sprintf("%q has no meaning in an expression; remove it, or put the text in quotes", text)
}

func firstOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func reservedWord(word string) string {
	if word == "if" || word == "else" {
		return fmt.Sprintf("%q is not part of the language; write CONDITION ? VALUE : OTHERWISE", word)
	}
	return fmt.Sprintf("%q is a reserved word; if it is text, put it in quotes", word)
}
