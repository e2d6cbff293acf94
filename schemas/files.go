package schemas

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// files lists the files of a folder that Load reads, in lexical order. What may
// hold a document and is not read is a problem: a cluster must not count as
// removed because its file was overlooked.
func (l *loader) files(dir, kind string) []string {
	if !l.isFolder(dir, kind) {
		return nil
	}
	var files []string
	err := fs.WalkDir(l.fsys, dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			l.cannotRead(kind, file, "cannot be read: %v", err)
			return nil
		}
		hidden := strings.HasPrefix(entry.Name(), ".")
		switch {
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
		case entry.Type()&fs.ModeSymlink != 0: // whatever its name: it may lead to a folder
			l.cannotRead(kind, file, "%s", irregular(entry.Type()))
		case dir == PacksDir && entry.Name() != PackFile:
			if isYAML(file) && l.isMisnamedPack(file, entry) {
				l.cannotRead(kind, file, "a Pack is read from %s only; rename the file", PackFile)
			}
		case isYAML(file) && !entry.Type().IsRegular():
			l.cannotRead(kind, file, "%s", irregular(entry.Type()))
		case isYAML(file):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		l.cannotRead(kind, dir, "cannot be read: %v", err)
	}
	return files
}

// isFolder says whether there is a folder of this name; anything else of the
// name is a problem.
func (l *loader) isFolder(dir, kind string) bool {
	info, err := fs.Lstat(l.fsys, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a repository need not have every folder
	case err != nil:
		l.cannotRead(kind, dir, "cannot be read: %v", err)
	case info.IsDir():
		return true
	case info.Mode().IsRegular():
		l.cannotRead(kind, dir, "is a file; make it a folder and put each %s into a file of it", kind)
	default:
		l.cannotRead(kind, dir, "%s", irregular(info.Mode()))
	}
	return false
}

func isYAML(file string) bool {
	ext := strings.ToLower(path.Ext(file))
	return ext == ".yaml" || ext == ".yml"
}

// irregular words what is neither a folder nor a regular file. Git could not
// hand over what it stands for.
func irregular(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "is a symbolic link; put the file or folder itself in its place"
	case mode.IsDir():
		return "is a folder; put a file in its place"
	}
	return "is not a regular file; put one in its place"
}

// isMisnamedPack looks for pack.yml and the like, which only differ from the
// name that is read by what is easily overlooked.
func (l *loader) isMisnamedPack(file string, entry fs.DirEntry) bool {
	stem := strings.TrimSuffix(entry.Name(), path.Ext(file))
	if !strings.EqualFold(stem, "pack") || !entry.Type().IsRegular() {
		return false
	}
	kind, err := l.kindOf(file)
	return err == nil && kind == KindPack
}

// strays reports documents of ours outside the folders that Load reads: they
// would otherwise be without effect, and nobody would know why.
func (l *loader) strays() {
	folders := map[string]string{
		KindTenant: TenantFile, KindClusterProfile: ProfilesDir + "/", KindPack: PacksDir + "/",
		KindCluster: ClustersDir + "/", KindCloudAccount: CloudsDir + "/",
	}
	read := []string{ProfilesDir, PacksDir, CloudsDir, ClustersDir}
	err := fs.WalkDir(l.fsys, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if !errors.Is(err, fs.ErrNotExist) {
				l.fail(file, "cannot be read: %v", err)
			}
		case file != "." && strings.HasPrefix(entry.Name(), "."), entry.IsDir() && slices.Contains(read, file):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.Type().IsRegular() && isYAML(file) && file != TenantFile:
			kind, err := l.kindOf(file)
			if err != nil {
				l.fail(file, "cannot be read: %v", err)
			} else if kind != "" && !isRolesFile(kind) {
				l.fail(file, "a %s is not read here; move it to %s", kind, cmp.Or(folders[kind], "the folder of its kind"))
			}
		}
		return nil
	})
	if err != nil {
		l.fail(".", "cannot be read: %v", err)
	}
}

// isRolesFile is true for what roles write, such as the output of a render that
// somebody keeps in their repository: it is no source and is left alone.
func isRolesFile(kind string) bool {
	return slices.Contains([]string{KindDesiredCluster, KindDesiredInfrastructure, KindAgentStatus, KindInfraStatus}, kind)
}

// isEmptyRepository is true for a directory that holds nothing that a tenant
// repository holds: somebody is in the wrong place.
func (l *loader) isEmptyRepository() bool {
	for _, name := range []string{TenantFile, ProfilesDir, PacksDir, CloudsDir, ClustersDir} {
		if _, err := fs.Lstat(l.fsys, name); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// bareFolders reports folders below packs/ that hold files and no pack.yaml.
func (l *loader) bareFolders(packs []*Document[Pack]) {
	entries, err := fs.ReadDir(l.fsys, PacksDir)
	if err != nil {
		return // reported where the folder is read
	}
	for _, entry := range entries {
		dir := path.Join(PacksDir, entry.Name())
		holds := slices.ContainsFunc(packs, func(pack *Document[Pack]) bool { return strings.HasPrefix(pack.File, dir+"/") })
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || holds || len(l.unread[KindPack]) > 0 {
			continue
		}
		l.fail(dir, "holds no %s, so no layer can use it; write one with apiVersion, kind: Pack, metadata.name and spec.version", PackFile)
	}
}

// kindOf gives the kind of the first document of a file that is one of ours, or
// "" if none is.
func (l *loader) kindOf(file string) (string, error) {
	data, err := fs.ReadFile(l.fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil || !bytes.Contains(data, []byte(APIVersion)) {
		return "", err
	}
	documents, _ := ParseYAML(file, data)
	for _, document := range documents {
		fields, _ := document.Value().(map[string]any)
		if kind, _ := fields["kind"].(string); fields["apiVersion"] == APIVersion && kind != "" {
			return kind, nil
		}
	}
	return "", nil
}
