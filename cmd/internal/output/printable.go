package output

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable makes text fit for one cell of a table: every white space becomes a
// space, and what could move the cursor, change colours, reverse the order of what
// follows or be invisible is shown as Go would write it, such as \x1b.
func printable(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case harmless(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// harmless allows the joiners that Indic and Persian script and emoji need, of
// all characters that do not show.
func harmless(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsPrint(r) || r == nonJoiner || r == joiner
}

// escapeJSON escapes what JSON lets stand although terminals obey it and YAML
// refuses it: DEL, the C1 controls, and what reverses text. Such characters occur
// inside of strings only.
func escapeJSON(document string) string {
	var b strings.Builder
	for _, r := range document {
		if r == '\n' || r > 0xffff || harmless(r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}
