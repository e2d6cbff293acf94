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
			`clusters/eu/dev.yaml:3:18: metadata.name: "Dev/1" does not match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`}},
		{"stray document", "cluster/x.yaml", cluster, []string{
			`cluster/x.yaml: a Cluster is not read here; move it to clusters/`}},
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
