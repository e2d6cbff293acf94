package renderer

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzExpression looks for scalars that make the compiler or the evaluation
// panic, or whose result no YAML value can be.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"plain", "${values.a}", "$${values.a}", "a ${values.a + 1} b", "${", "${}", "${'}'}", `${r"\"}`, `${"""}"""}`, "${{'a': 1}.a}",
		"${cluster.labels.env}", "${values.map(x, x)}", "${[1,2].map(x, x * 2)}", "${values.a ? 1 : 'x'}", "${b'a'}", "${1.0 / 0.0}", "${-9223372036854775808}", "${18446744073709551615u}",
		"${values['}']}", "${values.?a.orValue(1)}", "${'a'.format([1])}", "${duration('1h')}", "${type(1)}", "${var.x}", "${\x00}", "${\xff}",
	} {
		f.Add(seed)
	}
	scope, err := newPackScope()
	if err != nil {
		f.Fatal(err)
	}
	variables := map[string]any{
		"values":       map[string]any{"a": int64(1), "s": "text", "l": []any{"x", nil}, "m": map[string]any{"k": 1.5}},
		"cluster.name": "one", "cluster.labels": map[string]string{"env": "dev"}, "cluster.cloud": "local",
		"cluster.account": "", "cluster.kubernetesVersion": "1.35.4", "tenant.name": "acme",
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, asText := range []bool{false, true} {
			value, err := scope.evalText(context.Background(), text, asText, variables)
			if err != nil {
				continue
			}
			if !strings.Contains(text, "${") && value != text {
				t.Errorf("%q without an expression became %v", text, value)
			}
			if _, isText := value.(string); asText && !isText {
				t.Errorf("%q gave %T where text is needed", text, value)
			}
			if _, err := json.Marshal(value); err != nil {
				t.Errorf("%q gave %v, which cannot be written: %v", text, value, err)
			}
		}
	})
}

// FuzzOutput looks for template output that makes reading it panic.
func FuzzOutput(f *testing.F) {
	for _, seed := range []string{"", "---\n", "a: b\n--- \nc: d", "--- {a: b}", "- x", "kind: List\nitems: [{a: b}]", "a: &a [*a]", "%YAML 1.1\n---\na: b"} {
		f.Add([]byte(seed))
	}
	p := &pack{dir: "packs/p", format: formatChart}
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, _ := p.parseOutput("templates/a.yaml", data)
		objects, _ = expand(objects, 0)
		scopes := newScopeTable(objects)
		for _, o := range objects {
			if len(o.check()) == 0 {
				o.clean()
				o.place(scopes, "default")
				if name := fileName(o, true); strings.ContainsAny(name, "/\x00") || len(name) > 255 {
					t.Errorf("the file name %q", name)
				}
			}
		}
	})
}
