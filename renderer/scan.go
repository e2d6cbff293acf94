package renderer

import (
	"errors"
	"fmt"
	"strings"
)

// segment is a piece of a string: literal text, or the source of a CEL
// expression.
type segment struct {
	text       string
	expression bool
	offset     int // of text in the string, in bytes
}

// errUnterminated is returned by splitText for a "${" without its "}".
var errUnterminated = errors.New(`"${" has no matching "}"; write "$${" for a literal "${"`)

// splitText cuts a string into literal text and ${…} expressions. Braces and
// quotes inside of an expression are followed, so that ${ {"a": "}"}.a } is one.
func splitText(s string) ([]segment, error) {
	var segments []segment
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			segments = append(segments, segment{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			literal.WriteString("${")
			i += len("$${")
		case strings.HasPrefix(s[i:], "${"):
			start := i + len("${")
			length := expressionLength(s[start:])
			if length < 0 {
				return nil, fmt.Errorf("at character %d: %w", i+1, errUnterminated)
			}
			flush()
			segments = append(segments, segment{text: s[start : start+length], expression: true, offset: start})
			i = start + length + len("}")
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	flush()
	return segments, nil
}

// expressionLength finds the "}" that ends the expression at the start of s, or
// returns -1.
func expressionLength(s string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch s[i] {
		case '"', '\'':
			length := quotedLength(s[i:], isRaw(s, i))
			if length < 0 {
				return -1
			}
			i += length
			continue
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
		i++
	}
	return -1
}

// isRaw says whether the quote at i opens a raw string (r"…"), in which a
// backslash escapes nothing.
func isRaw(s string, i int) bool {
	if i == 0 || (s[i-1] != 'r' && s[i-1] != 'R') {
		return false
	}
	return i == 1 || !isWordByte(s[i-2]) || s[i-2] == 'b' || s[i-2] == 'B'
}

// quotedLength is the length of the CEL string literal at the start of s, with
// its quotes, or -1.
func quotedLength(s string, raw bool) int {
	quote := s[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s, triple) {
		quote = triple
	}
	for i := len(quote); i < len(s); i++ {
		if s[i] == '\\' && !raw {
			i++
			continue
		}
		if strings.HasPrefix(s[i:], quote) {
			return i + len(quote)
		}
	}
	return -1
}

func isWordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// word is an identifier in an expression, outside of string literals.
type word struct {
	text   string
	offset int
	member bool // it follows a dot
}

// words lists the identifiers of an expression.
func words(expression string) []word {
	var result []word
	last := byte(0) // the last byte that was not a space
	for i := 0; i < len(expression); {
		b := expression[i]
		switch {
		case b == '"' || b == '\'':
			length := quotedLength(expression[i:], isRaw(expression, i))
			if length < 0 {
				return result
			}
			i += length
		case isWordByte(b):
			start := i
			for i < len(expression) && isWordByte(expression[i]) {
				i++
			}
			result = append(result, word{text: expression[start:i], offset: start, member: last == '.'})
		default:
			i++
		}
		if b != ' ' && b != '\t' && b != '\n' {
			last = b
		}
	}
	return result
}
