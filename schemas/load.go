package schemas

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// TenantFile stands at the root of every tenant repository.
const TenantFile = "tenant.yaml"

// The folders of a tenant repository. Each may nest to any depth and hold any
// number of documents a file. Only pack.yaml is read below packs/.
const (
	ProfilesDir = "profiles"
	PacksDir    = "packs"
	CloudsDir   = "clouds"
	ClustersDir = "clusters"
)

// PackFile describes the pack in whose directory it stands.
const PackFile = "pack.yaml"

// Repository is the source of one tenant, as far as it could be read.
type Repository struct {
	Tenant   *Document[Tenant] // nil if there is none
	Profiles []*Document[ClusterProfile]
	Packs    []*Document[Pack]
	Accounts []*Document[CloudAccount]
	Clusters []*Document[Cluster]

	// unread names, by kind, the documents that were left out because something
	// is wrong with them; "" stands for one whose name could not be read either.
	unread map[string][]string
}

// isUnread says whether a document may be missing only because it has problems
// of its own, or the reference to it has: then nothing is known about it.
func (r *Repository) isUnread(kind, name string) bool {
	return name == "" || slices.Contains(r.unread[kind], name) || slices.Contains(r.unread[kind], "")
}

// Document is a document that remembers where it came from.
type Document[T any] struct {
	// File is the path of the file in the repository.
	File string
	// Object is the content.
	Object T
	// YAML knows the position of each field.
	YAML *YAML
}

// Load reads a tenant repository and checks each file by itself (syntax,
// fields, types, limits) and all of them together (names used twice, references
// that lead nowhere, cycles). It returns what could be read and everything that
// is wrong, sorted by position. Files of other kinds and hidden files are left
// alone. Whatever may hold a document and cannot be read is a problem, so that
// without problems nothing but what the repository lacks is missing.
func Load(fsys fs.FS) (*Repository, Problems) {
	loader := &loader{fsys: fsys, unread: map[string][]string{}}
	repo := &Repository{unread: loader.unread}
	loader.tenant(repo)
	if loader.isEmptyRepository() {
		return repo, loader.problems // anything more would only confuse
	}
	repo.Profiles = loadFolder[ClusterProfile](loader, ProfilesDir, KindClusterProfile)
	repo.Packs = loadFolder[Pack](loader, PacksDir, KindPack)
	loader.bareFolders(repo.Packs)
	repo.Accounts = loadFolder[CloudAccount](loader, CloudsDir, KindCloudAccount)
	repo.Clusters = loadFolder[Cluster](loader, ClustersDir, KindCluster)
	loader.strays()
	problems := append(loader.problems, check(repo)...)
	return repo, problems.Sorted()
}

// Profile finds a profile by name and version, or returns nil.
func (r *Repository) Profile(name, version string) *Document[ClusterProfile] {
	return find(r.Profiles, func(d *Document[ClusterProfile]) bool {
		return d.Object.Metadata.Name == name && d.Object.Spec.Version == version
	})
}

// Pack finds a pack by name and version, or returns nil.
func (r *Repository) Pack(name, version string) *Document[Pack] {
	return find(r.Packs, func(d *Document[Pack]) bool {
		return d.Object.Metadata.Name == name && d.Object.Spec.Version == version
	})
}

// Account finds a cloud account by name, or returns nil.
func (r *Repository) Account(name string) *Document[CloudAccount] {
	return find(r.Accounts, func(d *Document[CloudAccount]) bool { return d.Object.Metadata.Name == name })
}

func find[T any](documents []*Document[T], is func(*Document[T]) bool) *Document[T] {
	if i := slices.IndexFunc(documents, is); i >= 0 {
		return documents[i]
	}
	return nil
}

//go:embed json
var schemaFiles embed.FS

// SchemaFiles holds the JSON Schemas of the kinds that people write, for
// editors: <kind in lower case>.json.
func SchemaFiles() fs.FS {
	sub, err := fs.Sub(schemaFiles, "json")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

type loader struct {
	fsys     fs.FS
	problems Problems
	unread   map[string][]string
}

func (l *loader) fail(file, format string, args ...any) {
	l.problems = append(l.problems, fileProblem(file, format, args...)...)
}

// cannotRead reports a file or folder that may hold documents of a kind and is
// not read. Nothing is then known about documents of that kind that seem to be
// missing.
func (l *loader) cannotRead(kind, file, format string, args ...any) {
	l.fail(file, format, args...)
	l.unread[kind] = append(l.unread[kind], "")
}

func (l *loader) tenant(repo *Repository) {
	info, err := fs.Lstat(l.fsys, TenantFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.fail(TenantFile, "is missing: every tenant repository has one at its root (branchline init writes it)")
		return
	case err != nil:
		l.fail(TenantFile, "cannot be read: %v", err)
		return
	case !info.Mode().IsRegular():
		l.fail(TenantFile, "%s", irregular(info.Mode()))
		return
	}
	documents := loadFile[Tenant](l, TenantFile, KindTenant)
	if len(documents) > 1 {
		second := documents[1]
		l.problems = append(l.problems, second.YAML.Problem(nil, "a repository has one Tenant document; remove this one"))
	}
	if len(documents) > 0 {
		repo.Tenant = documents[0]
	}
}

// documentSchemas compiles the schemas of the documents once, at first use:
// they are part of the program and never change.
var documentSchemas = sync.OnceValue(func() map[string]*Schema {
	compiled := map[string]*Schema{}
	for _, kind := range []string{KindTenant, KindClusterProfile, KindPack, KindCloudAccount, KindCluster} {
		name := strings.ToLower(kind) + ".json"
		data, err := fs.ReadFile(SchemaFiles(), name)
		if err != nil {
			panic(err) // embedded; make generate writes it
		}
		schema, err := CompileSchema(name, data)
		if err != nil {
			panic(err)
		}
		compiled[kind] = schema
	}
	return compiled
})

func loadFolder[T any](l *loader, dir, kind string) []*Document[T] {
	var documents []*Document[T]
	for _, file := range l.files(dir, kind) {
		documents = append(documents, loadFile[T](l, file, kind)...)
	}
	return documents
}

func loadFile[T any](l *loader, file, kind string) []*Document[T] {
	data, err := fs.ReadFile(l.fsys, file)
	if err != nil {
		l.cannotRead(kind, file, "cannot be read: %v", err)
		return nil
	}
	parsed, problems := ParseYAML(file, data)
	l.problems = append(l.problems, problems...)
	if len(problems) > 0 {
		l.unread[kind] = append(l.unread[kind], "")
	}
	if len(parsed) == 0 && len(problems) == 0 {
		l.fail(file, "is empty; write a %s into it or remove it", kind)
	}
	var documents []*Document[T]
	for _, doc := range parsed {
		problems := checkDocument(doc, kind)
		l.problems = append(l.problems, problems...)
		document := &Document[T]{File: file, YAML: doc}
		err := fromValue(doc.Value(), &document.Object)
		switch {
		case err == nil && isKind(doc, kind):
			// Also if it has problems: so that those with its references show
			// up in the same run, and references to it are not called missing.
			documents = append(documents, document)
		case len(problems) == 0:
			l.problems = append(l.problems, doc.Problem(nil, "cannot be read as %s: %v", kind, err))
			fallthrough
		default:
			l.unread[kind] = append(l.unread[kind], nameIn(doc))
		}
	}
	return documents
}

// nameIn reads the name of a document that is not valid otherwise.
func nameIn(doc *YAML) string {
	name, _ := childValue(childValue(doc.Value(), "metadata"), "name").(string)
	return name
}

// isKind is true for a document that says it is of a kind.
func isKind(doc *YAML, kind string) bool {
	return childValue(doc.Value(), "apiVersion") == APIVersion && childValue(doc.Value(), "kind") == kind
}

// checkDocument looks at apiVersion and kind first: if they are wrong, all
// other messages would only confuse.
func checkDocument(doc *YAML, kind string) Problems {
	fields, ok := doc.Value().(map[string]any)
	if !ok {
		return Problems{doc.Problem(nil, "expected a %s document (a mapping), found something else", kind)}
	}
	for _, header := range []struct{ field, want string }{{"apiVersion", APIVersion}, {"kind", kind}} {
		got, set := fields[header.field]
		if !set {
			return Problems{doc.Problem(nil, "the field %q is missing; write \"%s: %s\"", header.field, header.field, header.want)}
		}
		if got != header.want {
			return Problems{doc.Problem([]any{header.field}, "%s does not belong here; files in this folder have \"%s: %s\"", jsonText(got), header.field, header.want)}
		}
	}
	return doc.Check(documentSchemas()[kind])
}

// Check returns what in the document, or in the part of it at path, violates a
// schema.
func (y *YAML) Check(schema *Schema, at ...any) Problems {
	value := y.value
	for _, element := range at {
		value = childValue(value, element)
	}
	var problems Problems
	for _, violation := range schema.Check(value) {
		full := append(slices.Clone(at), violation.Path...)
		problem := Problem{Position: y.Position(full...), Field: FormatPath(full), Message: violation.Message}
		if violation.Key {
			problem.Position = y.KeyPosition(full...)
		}
		problems = append(problems, problem)
	}
	return problems
}

func childValue(value, element any) any {
	switch e := element.(type) {
	case string:
		mapping, _ := value.(map[string]any)
		return mapping[e]
	case int:
		if list, ok := value.([]any); ok && e >= 0 && e < len(list) {
			return list[e]
		}
	}
	return nil
}

// ID names a profile or pack at a version.
func ID(name, version string) string { return fmt.Sprintf("%s@%s", name, version) }
