package renderer

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"branchline.dev/branchline/schemas"
)

// The formats of a pack, which are the names of their folders.
const (
	formatChart     = "chart"
	formatKustomize = "kustomize"
	formatManifests = "manifests"
)

// The files beside pack.yaml.
const (
	valuesFile       = "values.yaml"
	valuesSchemaFile = "values.schema.json"
)

// pack is a pack with its files in memory.
type pack struct {
	id     string // name@version
	kind   schemas.LayerKind
	dir    string
	format string            // "" if it renders to nothing
	files  map[string][]byte // of the folder named like the format, by path below it
	values map[string]any    // defaults
	yaml   *schemas.YAML     // of values.yaml; nil if there is none
	schema *schemas.Schema   // of the merged values; nil if there is none

	manifests []*manifest // of format manifests
}

// at is the position of a file in the format's folder.
func (p *pack) at(file string, line, column int) schemas.Position {
	return schemas.Position{File: path.Join(p.dir, p.format, file), Line: line, Column: column}
}

// loadPacks reads every pack of the repository, also those that no profile
// uses, so that a mistake shows at the push that makes it. The result is keyed
// by name@version and lacks the packs that have problems.
func loadPacks(fsys fs.FS, repo *schemas.Repository) (map[string]*pack, schemas.Problems) {
	packs := map[string]*pack{}
	var problems schemas.Problems
	for _, doc := range repo.Packs {
		p := &pack{
			id:   schemas.ID(doc.Object.Metadata.Name, doc.Object.Spec.Version),
			kind: layerKind(doc.Object.Spec.Kind),
			dir:  path.Dir(doc.File),
		}
		found := p.load(fsys, doc)
		problems = append(problems, found...)
		if len(found) == 0 {
			packs[p.id] = p
		}
	}
	return packs, problems
}

func layerKind(kind schemas.LayerKind) schemas.LayerKind {
	if kind == "" {
		return schemas.LayerAddon
	}
	return kind
}

func (p *pack) load(fsys fs.FS, doc *schemas.Document[schemas.Pack]) schemas.Problems {
	problems := p.findFormat(fsys, doc)
	problems = append(problems, p.loadDefaults(fsys)...)
	problems = append(problems, p.loadSchema(fsys)...)
	if p.format == "" || len(problems) > 0 {
		return problems
	}
	files, problem := readFolder(fsys, path.Join(p.dir, p.format))
	if problem != nil {
		return schemas.Problems{*problem}
	}
	p.files = files
	switch p.format {
	case formatKustomize:
		return checkKustomize(p)
	case formatManifests:
		p.manifests, problems = parseManifests(p)
	}
	return problems
}

func (p *pack) findFormat(fsys fs.FS, doc *schemas.Document[schemas.Pack]) schemas.Problems {
	var found []string
	for _, format := range []string{formatChart, formatKustomize, formatManifests} {
		if info, err := fs.Stat(fsys, path.Join(p.dir, format)); err == nil && info.IsDir() {
			found = append(found, format)
		}
	}
	switch {
	case len(found) == 1:
		p.format = found[0]
	case len(found) > 1:
		return schemas.Problems{doc.YAML.Problem(nil, "the pack holds %s; keep one of them", strings.Join(found, "/ and ")+"/")}
	case p.kind != schemas.LayerOS && p.kind != schemas.LayerKubernetes:
		return schemas.Problems{doc.YAML.Problem(nil,
			"the pack holds none of chart/, kustomize/ and manifests/; add one (only packs of kind os or kubernetes may do without)")}
	}
	return nil
}

func (p *pack) loadDefaults(fsys fs.FS) schemas.Problems {
	p.values = map[string]any{}
	file := path.Join(p.dir, valuesFile)
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return missingIsFine(file, err)
	}
	docs, problems := schemas.ParseYAML(file, data)
	if len(docs) == 0 || len(problems) > 0 {
		return problems
	}
	if len(docs) > 1 {
		return schemas.Problems{docs[1].Problem(nil, "values are one YAML document; remove this one")}
	}
	values, ok := docs[0].Value().(map[string]any)
	if !ok {
		return schemas.Problems{docs[0].Problem(nil, "values are a mapping")}
	}
	p.values, p.yaml = values, docs[0]
	return nil
}

func (p *pack) loadSchema(fsys fs.FS) schemas.Problems {
	file := path.Join(p.dir, valuesSchemaFile)
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return missingIsFine(file, err)
	}
	schema, err := schemas.CompileSchema(file, data)
	if err != nil {
		return wholeFile(file, "%s", strings.TrimPrefix(err.Error(), file+": "))
	}
	p.schema = schema
	return nil
}

func missingIsFine(file string, err error) schemas.Problems {
	if isNotExist(err) {
		return nil
	}
	return wholeFile(file, "cannot be read: %v", err)
}

func wholeFile(file, format string, args ...any) schemas.Problems {
	return schemas.Problems{{Position: schemas.Position{File: file}, Message: fmt.Sprintf(format, args...)}}
}
