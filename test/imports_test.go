package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "branchline.dev/branchline"

// topLevel are the folders that the module may have. A new role or kind of
// thing is a decision about the architecture: record it in docs/ and here.
var topLevel = []string{
	"agent", "bench", "cmd", "console", "deploy", "docs", "examples", "gateway",
	"providers", "renderer", "schemas", "sync", "test",
	"bin", // built, not checked in
}

// own matches every package of the module.
const own = module

// ban forbids imports. Its patterns name a package and all below it; of the
// module's own packages the module path is left out. A pattern that ends in "!"
// names that package alone, and "*" stands for one element.
type ban struct {
	from    []string
	to      []string
	except  []string
	linked  bool // also through other packages: nothing of it may be in the program
	because string
}

// bans are the rules of the architecture. They hold for product code; tests may
// import more.
var bans = []ban{
	{
		from: []string{"schemas"}, to: []string{own}, except: []string{"schemas"},
		because: "schemas is the leaf: every role reads the formats, so they must not bring any role along",
	},
	{
		from: []string{"renderer"}, to: []string{"sync"},
		because: "a rendered tree passes to the Git layer as a value; without Git in reach, rendering stays a pure function of files",
	},
	{
		from: []string{"renderer"}, to: []string{own}, except: []string{"renderer", "schemas"},
		because: "rendering depends on the source and the formats only, so that any number of renderers agree",
	},
	{
		from: []string{"renderer"}, to: []string{"net!", "net/http", "os!", "os/exec", "math/rand", "crypto/rand"},
		because: "rendering has no network, environment, host file or randomness: what it needs comes in as an argument",
	},
	{
		from: []string{"sync"}, to: []string{"renderer"},
		because: "the Git layer moves files without knowing how they came to be",
	},
	{
		from: []string{"sync"}, to: []string{own}, except: []string{"sync", "schemas"},
		because: "the Git layer is below all roles",
	},
	{
		from: []string{"agent"}, to: []string{"renderer"},
		because: "an agent applies what was reviewed and signed; it must not be able to make its own",
	},
	{
		from: []string{"agent"}, to: []string{"gateway", "providers"},
		because: "an agent acts inside its cluster and holds no credentials of a cloud",
	},
	{
		from: []string{"agent"}, to: []string{own}, except: []string{"agent", "schemas", "sync"},
		because: "an agent needs the formats and the Git layer, and stays small by needing no more",
	},
	{
		from: []string{"agent", "cmd/branchline-agent"}, to: []string{"os/exec", "net/http/cgi"},
		because: "an agent runs from an image that holds no other program, git least of all",
	},
	{
		from: []string{"gateway"}, to: []string{"renderer"},
		because: "a gateway brings about what was reviewed and signed; it must not be able to make its own",
	},
	{
		from: []string{"gateway"}, to: []string{"agent"},
		because: "the two meet through Git alone",
	},
	{
		from: []string{"gateway"}, to: []string{"providers/*"},
		because: "a gateway knows the interface and is given the clouds, so that a cloud can be added without touching it",
	},
	{
		from: []string{"gateway"}, to: []string{own}, except: []string{"gateway", "schemas", "sync", "providers!"},
		because: "a gateway needs the formats, the Git layer and the providers' interface",
	},
	{
		from: []string{"providers!"}, to: []string{own}, except: []string{"schemas"},
		because: "the interface must not know who implements or calls it",
	},
	{
		from: []string{"providers/*"}, to: []string{"agent", "cmd", "gateway", "renderer", "sync", "test"},
		because: "a cloud is told what to do through the interface and knows neither roles nor Git",
	},
	{
		from: []string{own}, to: []string{"providers/*"}, except: []string{"providers/all", "providers/providertest"},
		because: "a cloud is imported by providers/all alone: that is the one list of clouds",
	},
	{
		from: []string{own}, to: []string{"providers/all"},
		because: "only programs link clouds",
	},
	{
		from: []string{own}, to: []string{"providers/providertest", "test"},
		because: "what serves tests does not belong in a program",
	},
	{
		from: []string{own}, to: []string{"cmd"},
		because: "cmd holds flags and wiring; what others need belongs in a folder that is named for it",
	},
	{
		from: []string{"cmd/branchline-agent", "agent"}, linked: true,
		to:      []string{"helm.sh/helm", "sigs.k8s.io/kustomize/api", "cel.dev/cel-go"},
		because: "an agent applies finished objects: a renderer in its program is weight and attack surface in every cluster",
	},
	{
		from: []string{"cmd/branchline-agent", "agent"}, linked: true,
		to:      []string{"github.com/aws", "github.com/vmware/govmomi", "github.com/gophercloud", "github.com/Azure", "cloud.google.com"},
		because: "an agent holds no credentials of a cloud and needs no SDK",
	},
	{
		from: []string{"gateway", "sync", "schemas"}, linked: true,
		to:      []string{"helm.sh/helm", "sigs.k8s.io/kustomize/api", "k8s.io/client-go"},
		because: "the Git layer and the converge loop work on files, neither on charts nor on clusters",
	},
	{
		from: []string{"cmd", "agent", "renderer"}, linked: true,
		to:      []string{"github.com/google/cel-go"},
		because: "cel.dev/cel-go is its successor; a program links one of the two",
	},
}

// permits are the exceptions to bans that begin at the whole module.
var permits = []struct{ from, to string }{
	{"providers/all", "providers/*"},
	{"cmd", "providers/all"},
	{"providers/providertest", "providers/providertest"},
	{"test", "providers"},
	{"test", "test"},
	{"test", "cmd"},
	{"cmd", "cmd"},
}

func TestImports(t *testing.T) {
	for _, violation := range violations(listPackages(t)) {
		t.Error(violation)
	}
}

func TestTopLevelFolders(t *testing.T) {
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && name[0] != '.' && !slices.Contains(topLevel, name) {
			t.Errorf("folder %s is none of the architecture's (%s)", name, strings.Join(topLevel, ", "))
		}
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	for path := range listPackages(t) {
		for element := range strings.SplitSeq(strings.TrimPrefix(path, module), "/") {
			if within(path, module) && slices.Contains([]string{"util", "utils", "common", "helpers", "misc", "base", "types"}, element) {
				t.Errorf("package %s: %q says nothing of what it holds; name it for that", path, element)
			}
		}
	}
}

func TestTheRulesFindWhatTheyForbid(t *testing.T) {
	cases := map[string]struct {
		imports map[string][]string // without the module path
		want    []string            // "from -> to"
	}{
		"what is allowed": {map[string][]string{
			"cmd/branchline": {"agent", "gateway", "renderer", "sync", "schemas", "providers/all"}, "providers/all": {"providers/local"},
			"providers/local": {"providers", "schemas", "providers/local/etcd"}, "gateway": {"providers", "sync"}, "renderer": {"schemas", "helm.sh/helm/v4/pkg/engine"},
		}, nil},
		"schemas imports":             {map[string][]string{"schemas": {"sync"}}, []string{"schemas -> sync"}},
		"renderer and sync":           {map[string][]string{"renderer": {"sync"}, "sync": {"renderer"}}, []string{"renderer -> sync", "sync -> renderer"}},
		"agent and gateway":           {map[string][]string{"agent/apply": {"gateway"}, "gateway": {"agent/apply"}}, []string{"agent/apply -> gateway", "gateway -> agent/apply"}},
		"a cloud in the gateway":      {map[string][]string{"gateway": {"providers/local"}}, []string{"gateway -> providers/local"}},
		"a cloud in a program":        {map[string][]string{"cmd/branchline": {"providers/local"}}, []string{"cmd/branchline -> providers/local"}},
		"a cloud in another":          {map[string][]string{"providers/aws": {"providers/local"}}, []string{"providers/aws -> providers/local"}},
		"clouds in a role":            {map[string][]string{"sync": {"providers/all"}}, []string{"sync -> providers/all"}},
		"a test's code in a program":  {map[string][]string{"cmd/branchline": {"test/harness"}}, []string{"cmd/branchline -> test/harness"}},
		"network in the renderer":     {map[string][]string{"renderer": {"net/http"}}, []string{"renderer -> net/http"}},
		"a program started by agents": {map[string][]string{"agent": {"os/exec"}}, []string{"agent -> os/exec"}},
		"linked through others": {map[string][]string{
			"cmd/branchline-agent": {"agent"}, "agent": {"x.example/y"}, "x.example/y": {"helm.sh/helm/v4/pkg/engine"},
		}, []string{"agent -> x.example/y -> helm.sh/helm/v4/pkg/engine", "cmd/branchline-agent -> agent -> x.example/y -> helm.sh/helm/v4/pkg/engine"}},
	}
	folders := []string{"agent", "cmd", "gateway", "providers", "renderer", "schemas", "sync", "test"}
	full := func(path string) string {
		if first, _, _ := strings.Cut(path, "/"); slices.Contains(folders, first) {
			return module + "/" + path
		}
		return path
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			graph := map[string][]string{}
			for from, imports := range c.imports {
				for _, to := range imports {
					graph[full(from)] = append(graph[full(from)], full(to))
				}
			}
			var got []string
			for _, v := range violations(graph) {
				chain, _, _ := strings.Cut(v, ": ")
				got = append(got, chain)
			}
			if diff := cmp.Diff(c.want, slices.Compact(got)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// violations returns "chain of imports: reason" for each ban that the imports
// of packages break.
func violations(imports map[string][]string) []string {
	var found []string
	for from := range imports {
		if !within(from, module) {
			continue
		}
		for _, b := range bans {
			if !matchesAny(from, b.from) {
				continue
			}
			for _, chain := range chains(imports, from, b.linked) {
				to := chain[len(chain)-1]
				if matchesAny(to, b.to) && !matchesAny(to, b.except) && !permitted(b, from, to) {
					found = append(found, strings.ReplaceAll(strings.Join(chain, " -> "), module+"/", "")+": "+b.because)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func permitted(b ban, from, to string) bool {
	if !slices.Equal(b.from, []string{own}) {
		return false
	}
	// A package may import those below and beside it in one cloud's folder.
	if cloud := folder(from, 2); strings.HasPrefix(cloud, module+"/providers/") && within(to, cloud) {
		return true
	}
	for _, p := range permits {
		if matchesAny(from, []string{p.from}) && matchesAny(to, []string{p.to}) {
			return true
		}
	}
	return false
}

// chains returns the shortest way from a package to each that it imports, or
// that it imports through others.
func chains(imports map[string][]string, from string, linked bool) [][]string {
	var all [][]string
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, to := range imports[chain[len(chain)-1]] {
			if seen[to] {
				continue
			}
			seen[to] = true
			longer := append(slices.Clone(chain), to)
			all = append(all, longer)
			if linked {
				queue = append(queue, longer)
			}
		}
	}
	return all
}

func matchesAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if first, _, _ := strings.Cut(strings.TrimSuffix(pattern, "!"), "/"); slices.Contains(topLevel, first) {
			pattern = module + "/" + pattern
		}
		exact, alone := strings.CutSuffix(pattern, "!")
		if alone {
			return path == exact
		}
		if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
			return path != parent && within(path, parent)
		}
		return within(path, pattern)
	})
}

func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

// folder returns the module path and the first n elements below it.
func folder(path string, n int) string {
	elements := strings.Split(strings.TrimPrefix(path, module+"/"), "/")
	return module + "/" + strings.Join(elements[:min(n, len(elements))], "/")
}

// listPackages returns the imports of every package of the module and of all
// that it depends on, tests left out.
func listPackages(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	list.Dir = root(t)
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	imports := map[string][]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(fmt.Errorf("parse the output of go list: %w", err))
		}
		imports[p.ImportPath] = p.Imports
	}
	return imports
}

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}
