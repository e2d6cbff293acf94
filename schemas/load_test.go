package schemas_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"branchline.dev/branchline/schemas"
)

const (
	tenant  = "apiVersion: branchline.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme}\n"
	pack    = "apiVersion: branchline.dev/v1alpha1\nkind: Pack\nmetadata: {name: nginx}\nspec: {version: 1.2.0}\n"
	profile = `apiVersion: branchline.dev/v1alpha1
kind: ClusterProfile
metadata: {name: web}
spec:
  version: 1.0.0
  variables:
  - {name: replicas, type: integer, default: 2, minimum: 1}
  layers:
  - name: ingress
    pack: {name: nginx, version: 1.2.0}
    values: {big: 9007199254740993}
`
	cluster = `apiVersion: branchline.dev/v1alpha1
kind: Cluster
metadata: {name: dev}
spec:
  cloud: {type: local}
  nodePools:
  - {name: workers, count: 1}
  profiles:
  - {name: web, version: 1.0.0}
`
)

func valid() fstest.MapFS {
	return fstest.MapFS{
		"tenant.yaml":           {Data: []byte(tenant)},
		"packs/nginx/pack.yaml": {Data: []byte(pack)},
		"profiles/web.yaml":     {Data: []byte(profile)},
		"clusters/eu/dev.yaml":  {Data: []byte(cluster)},
	}
}

func TestLoadKeepsWhatWasWritten(t *testing.T) {
	repo, problems := schemas.Load(valid())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := repo.Tenant.Object.Metadata.Name; got != "acme" {
		t.Errorf("tenant %q, want acme", got)
	}
	layer := repo.Profile("web", "1.0.0").Object.Spec.Layers[0]
	want := map[string]any{"big": int64(9007199254740993)}
	if diff := cmp.Diff(want, layer.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	position := repo.Clusters[0].YAML.Position("spec", "nodePools", 0, "count")
	if got := position.String(); got != "clusters/eu/dev.yaml:7:28" {
		t.Errorf("position %s", got)
	}
	if !repo.Clusters[0].Object.Spec.Protected() {
		t.Error("a cluster is not protected by default")
	}
}

func TestLoadReportsEveryProblemWithItsPosition(t *testing.T) {
	tests := []struct {
		reason string
		file   string
		data   string // "-" removes the file
		want   []string
	}{
		{"tenant missing", "tenant.yaml", "-", []string{
			`tenant.yaml: is missing: every tenant repository has one at its root (branchline init writes it)`}},
		{"unknown field", "clusters/eu/dev.yaml", strings.Replace(cluster, "nodePools", "nodePool", 1), []string{
			`clusters/eu/dev.yaml:6:3: spec.nodePool: unknown field "nodePool", did you mean "nodePools"?`}},
		{"several at once", "clusters/eu/dev.yaml", strings.NewReplacer("count: 1", "count: many, role: boss", "cloud: {type: local}", "cloud: {}").Replace(cluster), []string{
			`clusters/eu/dev.yaml:5:10: spec.cloud: the field "type" is missing`,
			`clusters/eu/dev.yaml:7:28: spec.nodePools[0].count: expected an integer, found a string`,
			`clusters/eu/dev.yaml:7:40: spec.nodePools[0].role: "boss" is not allowed; use one of "control-plane", "worker"`}},
		{"wrong kind", "clusters/eu/dev.yaml", strings.Replace(cluster, "kind: Cluster", "kind: Claster", 1), []string{
			`clusters/eu/dev.yaml:2:7: kind: "Claster" does not belong here; files in this folder have "kind: Cluster"`}},
		{"no kind", "clusters/eu/dev.yaml", strings.Replace(cluster, "kind: Cluster\n", "", 1), []string{
			`clusters/eu/dev.yaml:1:1: the field "kind" is missing; write "kind: Cluster"`}},
		{"not a mapping", "clusters/eu/dev.yaml", "- a\n- b\n", []string{
			`clusters/eu/dev.yaml:1:1: expected a Cluster document (a mapping), found something else`}},
		{"empty", "clusters/eu/dev.yaml", "# nothing\n", []string{
			`clusters/eu/dev.yaml: is empty; write a Cluster into it or remove it`}},
		{"syntax", "clusters/eu/dev.yaml", "a: b: c\n", []string{
			`clusters/eu/dev.yaml:1: not valid YAML: mapping values are not allowed in this context`}},
		{"duplicate key", "clusters/eu/dev.yaml", cluster + "spec: {}\n", []string{
			`clusters/eu/dev.yaml:10:1: spec: the key "spec" is set a second time (first in line 4); remove one`}},
		{"profile misspelt", "clusters/eu/dev.yaml", strings.Replace(cluster, "name: web", "name: wbe", 1), []string{
			`clusters/eu/dev.yaml:9:12: spec.profiles[0].name: there is no profile named "wbe", did you mean "web"?`}},
		{"profile version", "clusters/eu/dev.yaml", strings.Replace(cluster, "version: 1.0.0", "version: 2.0.0", 1), []string{
			`clusters/eu/dev.yaml:9:26: spec.profiles[0].version: there is no version "2.0.0" of the profile "web"; it has 1.0.0`}},
		{"pack missing", "packs/nginx/pack.yaml", "-", []string{
			`profiles/web.yaml:10:18: spec.layers[0].pack.name: there is no pack named "nginx"; add it below packs/`}},
		{"cluster twice", "clusters/us.yaml", cluster, []string{
			`clusters/us.yaml:3:18: metadata.name: the cluster dev is defined a second time (first at clusters/eu/dev.yaml:3:18); rename or remove one`}},
		{"layer override", "clusters/eu/dev.yaml", strings.Replace(cluster, "version: 1.0.0", "version: 1.0.0, layers: [{name: ingres}]", 1), []string{
			`clusters/eu/dev.yaml:9:49: spec.profiles[0].layers[0].name: the profile web@1.0.0 has no layer "ingres", did you mean "ingress"?`}},
		{"cloud settings", "clusters/eu/dev.yaml", strings.Replace(cluster, "{type: local}", "{type: local, lokal: {}}", 1), []string{
			`clusters/eu/dev.yaml:5:24: spec.cloud.lokal: unknown field "lokal"; settings of a cloud of type local stand under "local", did you mean "local"?`}},
		{"account", "clusters/eu/dev.yaml", strings.Replace(cluster, "{type: local}", "{type: local, account: lab}", 1), []string{
			`clusters/eu/dev.yaml:5:33: spec.cloud.account: there is no cloud account named "lab"`}},
		{"bad name", "clusters/eu/dev.yaml", strings.Replace(cluster, "name: dev", "name: Dev/1", 1), []string{
			`clusters/eu/dev.yaml:3:18: metadata.name: "Dev/1" is not allowed; use lower-case letters, digits and '-', starting and ending with a letter or digit`}},
		{"bad names elsewhere", "profiles/web.yaml", strings.NewReplacer("name: ingress", "name: Ingress\n    namespace: a.b", "version: 1.0.0", "version: v 1", "name: replicas", "name: 2nd").Replace(profile), []string{
			`clusters/eu/dev.yaml:9:26: spec.profiles[0].version: there is no version "1.0.0" of the profile "web"; it has v 1`,
			`profiles/web.yaml:5:12: spec.version: "v 1" is not allowed; use letters, digits, '-', '+', '.' and '_', starting with a letter or digit`,
			`profiles/web.yaml:7:12: spec.variables[0].name: "2nd" is not allowed; use letters, digits and '_', starting with a letter or '_'`,
			`profiles/web.yaml:9:11: spec.layers[0].name: "Ingress" is not allowed; use lower-case letters, digits and '-', starting and ending with a letter or digit`,
			`profiles/web.yaml:10:16: spec.layers[0].namespace: "a.b" is not allowed; use lower-case letters, digits and '-', starting and ending with a letter or digit`}},
		{"bad labels", "clusters/eu/dev.yaml", strings.NewReplacer("name: dev", "name: dev, labels: {-env: prod, tier: 'a b'}", "count: 1", "count: 1, labels: {Example.com/x: y, z: -}").Replace(cluster), []string{
			`clusters/eu/dev.yaml:3:32: metadata.labels["-env"]: "-env" is not allowed as the key of a label; use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit, if need be after a domain in lower case and '/'`,
			`clusters/eu/dev.yaml:3:50: metadata.labels.tier: "a b" is not allowed as the value of a label; use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit`,
			`clusters/eu/dev.yaml:7:40: spec.nodePools[0].labels["Example.com/x"]: "Example.com/x" is not allowed as the key of a label; use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit, if need be after a domain in lower case and '/'`,
			`clusters/eu/dev.yaml:7:61: spec.nodePools[0].labels.z: "-" is not allowed as the value of a label; use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit`}},
		{"layer twice", "profiles/web.yaml", profile + "  - name: ingress\n    pack: {name: nginx, version: 1.2.0}\n", []string{
			`profiles/web.yaml:12:11: spec.layers[1].name: the layer ingress is defined a second time (first at profiles/web.yaml:9:11); rename or remove one`}},
		{"stray document", "cluster/x.yaml", cluster, []string{
			`cluster/x.yaml: a Cluster is not read here; move it to clusters/`}},
		{"stray document with another extension", "cluster/x.yml", cluster, []string{
			`cluster/x.yml: a Cluster is not read here; move it to clusters/`}},
		{"stray document behind another", "x.yaml", "a: b\n---\n" + cluster, []string{
			`x.yaml: a Cluster is not read here; move it to clusters/`}},
		{"tenant with another extension", "tenant.yml", tenant, []string{
			`tenant.yml: a Tenant is not read here; move it to tenant.yaml`}},
		{"pack with another extension", "packs/redis/pack.yml", pack, []string{
			`packs/redis/pack.yml: a Pack is read from pack.yaml only; rename the file`}},
		{"every extension of YAML is read", "clusters/DEV.YML", cluster, []string{
			`clusters/eu/dev.yaml:3:18: metadata.name: the cluster dev is defined a second time (first at clusters/DEV.YML:3:18); rename or remove one`}},
		{"one mistake, one message", "profiles/web.yaml", strings.Replace(profile, "pack:", "pac:", 1), []string{
			`profiles/web.yaml:9:5: spec.layers[0]: the field "pack" is missing`,
			`profiles/web.yaml:10:5: spec.layers[0].pac: unknown field "pac", did you mean "pack"?`}},
		{"an unreadable profile is not a missing one", "profiles/web.yaml", "a: b: c\n", []string{
			`profiles/web.yaml:1: not valid YAML: mapping values are not allowed in this context`}},
		{"other files are left alone", ".github/workflows/ci.yaml", "on: push\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			fsys := valid()
			if tt.data == "-" {
				delete(fsys, tt.file)
			} else {
				fsys[tt.file] = &fstest.MapFile{Data: []byte(tt.data)}
			}
			_, problems := schemas.Load(fsys)
			var got []string
			for _, problem := range problems {
				got = append(got, problem.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyntaxErrorsSayWhereAndWhatToDo(t *testing.T) {
	const tab = "found a tab; indent with spaces"
	tests := []struct{ reason, data, want string }{
		{"tab at the start", "\ta: b\n", "x.yaml:1:1: " + tab},
		{"tab below a key", "a:\n\tb: c\n", "x.yaml:2:1: " + tab},
		{"tab after spaces", "a:\n  b:\n    c: 1\n  \td: e\n", "x.yaml:4:3: " + tab},
		{"tab in a list", "a:\n- b\n\t- c\n", "x.yaml:3:1: " + tab},
		{"tab after a dash", "a: b\nc:\n-\td: e\n  f: g\n", "x.yaml:3:2: " + tab},
		{"tab in a later document", "a: b\n---\nc: d\n---\n\te: f\n", "x.yaml:5:1: " + tab},
		{"tab in a block of text", "a: |\n\ttext\n", "x.yaml:2:1: " + tab},
		{"tab in a text of several lines", "a: x\n  y\n  z\n\tz\n", "x.yaml:4:1: " + tab},
		{"tab that is right", "a: |\n  x\n  \ttext\nb: @c\n", "x.yaml:4: not valid YAML: found character that cannot start any token"},
		{"tabs in every line", "a:\n\tb: c\n\td: e\n", "x.yaml:2:1: " + tab},
		{"several tabs", "a:\n\t\tb: c\n", "x.yaml:2:1: " + tab},
		{"Latin-1", "a: b\n# über\nc: \xfcber\n", "x.yaml:3:4: the byte 0xfc is not UTF-8; save the file as UTF-8"},
		{"UTF-16", "\xff\xfea\x00:\x00", "x.yaml:1:1: the byte 0xff is not UTF-8; save the file as UTF-8"},
		{"control character", "a: b\nc: \"ü\x07\"\n", "x.yaml:2:6: the control character U+0007 is not allowed; remove it, or write it as an escape in double quotes"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			_, problems := schemas.ParseYAML("x.yaml", []byte(tt.data))
			if diff := cmp.Diff(tt.want, problems.Error()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTabsInTextAreLeftAlone(t *testing.T) {
	docs, problems := schemas.ParseYAML("x.yaml", []byte("\ufeffa: |\n  all:\n  \tmake\nb:\t1\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := map[string]any{"a": "all:\n\tmake\n", "b": int64(1)}
	if diff := cmp.Diff(want, docs[0].Value()); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
}

func TestHostileYAMLIsBounded(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	tests := []struct{ reason, data, want string }{
		{"alias bomb", bomb, "more than 200000 values"},
		{"deep nesting", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested deeper than 100 levels"},
		{"self reference", "a: &a [*a]\n", "nested deeper than 100 levels"},
		{"huge file", strings.Repeat("#", 5<<20), "more than the 4194304 allowed"},
		{"not finite", "a: .nan\n", "not a finite number"},
		{"huge number", "a: 99999999999999999999\n", "quote it"},
		{"binary", "a: !!binary aGk=\n", "not supported"},
		{"complex key", "{a: b}: c\n", "a key must be"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			_, problems := schemas.ParseYAML("x.yaml", []byte(tt.data))
			if len(problems) == 0 || !strings.Contains(problems.Error(), tt.want) {
				t.Errorf("problems %q, want one that says %q", problems.Error(), tt.want)
			}
		})
	}
}

func TestMergeKeys(t *testing.T) {
	docs, problems := schemas.ParseYAML("x.yaml", []byte("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := map[string]any{"x": int64(1), "y": int64(3)}
	if diff := cmp.Diff(want, docs[0].Value().(map[string]any)["use"]); diff != "" {
		t.Error(diff)
	}
	if got := docs[0].Position("use", "x").String(); got != "x.yaml:1:14" {
		t.Errorf("position of a merged key: %s", got)
	}
}

func TestSchemaRefusesRemoteReferences(t *testing.T) {
	for _, ref := range []string{"https://example.com/s.json", "file:///etc/passwd", "other.json"} {
		if _, err := schemas.CompileSchema("values.schema.json", []byte(`{"$ref": "`+ref+`"}`)); err == nil {
			t.Errorf("$ref %s was accepted", ref)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{tenant, pack, profile, cluster, "a: &a [*a]", "? [a]\n: b", "<<: 1", "a: !!x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := valid()
		for _, file := range []string{"tenant.yaml", "profiles/x.yaml", "clusters/x.yaml", "packs/x/pack.yaml"} {
			fsys[file] = &fstest.MapFile{Data: data}
		}
		_, problems := schemas.Load(fsys)
		for _, problem := range problems {
			if problem.File == "" || problem.Message == "" || problem.Line < 0 {
				t.Errorf("a problem without file or message: %#v", problem)
			}
		}
	})
}

func TestMarshalIsTheInverseOfUnmarshal(t *testing.T) {
	want := schemas.DesiredInfrastructure{
		Spec: schemas.DesiredInfrastructureSpec{
			Cloud:     schemas.ResolvedCloud{Type: "local", Config: map[string]any{"zones": []any{"a"}, "n": int64(3)}},
			NodePools: []schemas.NodePool{{Name: "workers", Count: 2}},
		},
	}
	data, err := schemas.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got schemas.DesiredInfrastructure
	if err := schemas.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := schemas.Unmarshal(append(data, "surprise: 1\n"...), &got); err == nil || !strings.Contains(err.Error(), "surprise") {
		t.Errorf("an unknown field was accepted: %v", err)
	}
}
