package renderer_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/renderer"
	"branchline.dev/branchline/schemas"
)

// TestSyntaxErrorsOfExpressions holds the messages to words that need no
// knowledge of the parser.
func TestSyntaxErrorsOfExpressions(t *testing.T) {
	t.Parallel()
	const noValue = "the expression ends where a value should follow; write the value, or remove what asks for it"
	cases := []struct{ expression, want string }{
		{`1 +`, "character 6: " + noValue},
		{`var.text == `, "character 15: " + noValue},
		{`!`, "character 4: " + noValue},
		{`size(`, "character 8: " + noValue},
		{`size(1,`, "character 10: " + noValue},
		{`(1`, `character 5: the expression ends without a ")"; add it`},
		{`[1, 2`, `character 8: the expression ends without a "]"; add it`},
		{`[1,,2]`, `character 6: there is no "]" before ","; add it`},
		{`{'a' 1}`, `character 8: there is no ":" before "1"; add it`},
		{`true ? 1`, `character 11: the expression ends without a ":"; add it`},
		{`+ 1`, `character 3: found "+" where a value should stand; write the value, or remove the "+"`},
		{`1 1`, `character 5: "1" does not belong here; put an operator such as + or && before it, or remove it`},
		{`1)`, `character 4: ")" does not belong here; put an operator such as + or && before it, or remove it`},
		{`var.text var.text`, `character 12: "var" does not belong here; put an operator such as + or && before it, or remove it`},
		{`var.text.`, `character 12: cannot be read at "."; behind a dot stands the name of a field`},
		{`var.text = 1`, `character 12: "=" does not compare; write "=="`},
		{`true & false`, `character 8: "&" is no operator; write "&&"`},
		{`true | false`, `character 8: "|" is no operator; write "||"`},
		{`1;`, `character 4: ";" has no meaning in an expression; remove it, or put the text in quotes`},
		{`'\q'`, `character 3: the text that starts with '\q cannot be read; close it on the same line, and write \\ for a backslash`},
		{"'a\nb'", `character 3: the text that starts with 'a cannot be read; close it on the same line`},
		{`if true`, `character 3: "if" is not part of the language; write CONDITION ? VALUE : OTHERWISE`},
		{`package`, `character 3: "package" is a reserved word; if it is text, put it in quotes`},
		{`99999999999999999999`, "character 3: the number does not fit into 64 bits; write a smaller one, or quote it if it is text"},
	}
	for _, c := range cases {
		t.Run(c.expression, func(t *testing.T) {
			t.Parallel()
			source := edit(repository(), "profiles/p.yaml", `"${var.text}"`, strconv.Quote("${"+c.expression+"}"))
			_, err := renderer.Render(t.Context(), input(source))
			var problems schemas.Problems
			if !errors.As(err, &problems) || len(problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			if diff := cmp.Diff("${"+c.expression+"}, "+c.want, problems[0].Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}
