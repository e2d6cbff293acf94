package output

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestCellsCannotControlTheTerminal(t *testing.T) {
	tests := []struct{ reason, cell, want string }{
		{"text", "layer größe: 3 of 5 — 100 % ✓ 雲 👩‍🚀", "layer größe: 3 of 5 — 100 % ✓ 雲 👩‍🚀"},
		{"clear the screen", "\x1b[2Jall is well", `\x1b[2Jall is well`},
		{"set the title", "\x1b]0;pwned\a", `\x1b]0;pwned\x07`},
		{"eight-bit controls", "\u009b2J", `\u009b2J`},
		{"bytes that are no UTF-8", "a\x9b\xff", `a\x9b\xff`},
		{"line and cell breaks", "a\nb\tc\r\nd\ve\u2028f\u0085g", "a b c  d e f g"},
		{"backspace and delete", "no\b\b\x7fyes", `no\x08\x08\x7fyes`},
		{"reversed text", "\u202egnp.exe", `\u202egnp.exe`},
		{"invisible text", "a\u200bb\U000e0041", `a\u200bb\U000e0041`},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			var out bytes.Buffer
			table := func() Table { return Table{Header: []string{"A", "B"}, Rows: [][]string{{"x", tt.cell}}} }
			if err := Write(&out, TableFormat, nil, table); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("A   B\nx   "+tt.want+"\n", out.String()); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			for _, format := range []Format{JSONFormat, YAMLFormat} {
				out.Reset()
				if err := Write(&out, format, []string{tt.cell}, nil); err != nil {
					t.Fatal(err)
				}
				if i := strings.IndexFunc(out.String(), func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); i >= 0 {
					t.Errorf("%s holds a control character: %q", format, out.String())
				}
			}
		})
	}
}

func TestJSONKeepsItsMeaning(t *testing.T) {
	want := "<a> \u009b \u202e \x7f \x1b ☃ 👩‍🚀\n"
	var out bytes.Buffer
	if err := Write(&out, JSONFormat, want, nil); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}
