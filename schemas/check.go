package schemas

import (
	"fmt"
	"slices"
	"strings"
)

// check finds what is wrong between documents that are right by themselves.
func check(repo *Repository) Problems {
	var problems Problems
	problems = append(problems, checkUnique(repo)...)
	for _, profile := range repo.Profiles {
		problems = append(problems, checkProfile(repo, profile)...)
	}
	for _, account := range repo.Accounts {
		problems = append(problems, checkCloudKeys(account.YAML, account.Object.Spec.Type, "spec")...)
	}
	for _, cluster := range repo.Clusters {
		problems = append(problems, checkCluster(repo, cluster)...)
	}
	return problems
}

func checkUnique(repo *Repository) Problems {
	var problems Problems
	for _, p := range [][]named{
		namesOf(repo.Profiles, "profile", func(p *ClusterProfile) string { return ID(p.Metadata.Name, p.Spec.Version) }),
		namesOf(repo.Packs, "pack", func(p *Pack) string { return ID(p.Metadata.Name, p.Spec.Version) }),
		namesOf(repo.Accounts, "cloud account", func(a *CloudAccount) string { return a.Metadata.Name }),
		namesOf(repo.Clusters, "cluster", func(c *Cluster) string { return c.Metadata.Name }),
	} {
		problems = append(problems, duplicates(p)...)
	}
	return problems
}

// named is a thing that must have a name of its own, and where its name stands.
type named struct {
	what, name string
	yaml       *YAML
	path       []any
}

func namesOf[T any](documents []*Document[T], what string, name func(*T) string) []named {
	result := make([]named, len(documents))
	for i, d := range documents {
		result[i] = named{what, name(&d.Object), d.YAML, []any{"metadata", "name"}}
	}
	return result
}

func duplicates(things []named) Problems {
	var problems Problems
	first := map[string]named{}
	for _, thing := range things {
		if other, seen := first[thing.name]; seen {
			problems = append(problems, thing.yaml.Problem(thing.path,
				"the %s %s is defined a second time (first at %s); rename or remove one",
				thing.what, thing.name, other.yaml.Position(other.path...)))
			continue
		}
		first[thing.name] = thing
	}
	return problems
}

func checkProfile(repo *Repository, profile *Document[ClusterProfile]) Problems {
	var problems Problems
	spec := &profile.Object.Spec
	var variables, layers []named
	for i, variable := range spec.Variables {
		variables = append(variables, named{"variable", variable.Name, profile.YAML, []any{"spec", "variables", i, "name"}})
	}
	for i, layer := range spec.Layers {
		layers = append(layers, named{"layer", layer.Name, profile.YAML, []any{"spec", "layers", i, "name"}})
		problems = append(problems, checkPackRef(repo, profile, i, layer.Pack)...)
	}
	problems = append(problems, duplicates(variables)...)
	return append(problems, duplicates(layers)...)
}

func checkPackRef(repo *Repository, profile *Document[ClusterProfile], layer int, ref PackRef) Problems {
	if repo.Pack(ref.Name, ref.Version) != nil || repo.isUnread(KindPack, ref.Name) {
		return nil
	}
	path := []any{"spec", "layers", layer, "pack"}
	var names, versions []string
	for _, pack := range repo.Packs {
		names = append(names, pack.Object.Metadata.Name)
		if pack.Object.Metadata.Name == ref.Name {
			versions = append(versions, pack.Object.Spec.Version)
		}
	}
	return Problems{missingRef(profile.YAML, path, "pack", ref.Name, ref.Version, names, versions, PacksDir)}
}

func checkCluster(repo *Repository, cluster *Document[Cluster]) Problems {
	spec := &cluster.Object.Spec
	problems := checkCloudKeys(cluster.YAML, spec.Cloud.Type, "spec", "cloud")
	problems = append(problems, checkAccount(repo, cluster)...)
	problems = append(problems, checkLabels(cluster.YAML, cluster.Object.Metadata.Labels, "metadata", "labels")...)
	var pools, profiles []named
	for i, pool := range spec.NodePools {
		pools = append(pools, named{"node pool", pool.Name, cluster.YAML, []any{"spec", "nodePools", i, "name"}})
		problems = append(problems, checkLabels(cluster.YAML, pool.Labels, "spec", "nodePools", i, "labels")...)
	}
	for i, ref := range spec.Profiles {
		profiles = append(profiles, named{"profile reference", ref.Name, cluster.YAML, []any{"spec", "profiles", i, "name"}})
		problems = append(problems, checkProfileRef(repo, cluster, i, ref)...)
	}
	problems = append(problems, duplicates(pools)...)
	return append(problems, duplicates(profiles)...)
}

func checkProfileRef(repo *Repository, cluster *Document[Cluster], index int, ref ProfileRef) Problems {
	path := []any{"spec", "profiles", index}
	profile := repo.Profile(ref.Name, ref.Version)
	if profile == nil && repo.isUnread(KindClusterProfile, ref.Name) {
		return nil
	}
	if profile == nil {
		var names, versions []string
		for _, p := range repo.Profiles {
			names = append(names, p.Object.Metadata.Name)
			if p.Object.Metadata.Name == ref.Name {
				versions = append(versions, p.Object.Spec.Version)
			}
		}
		return Problems{missingRef(cluster.YAML, path, "profile", ref.Name, ref.Version, names, versions, ProfilesDir)}
	}
	var known []string
	for _, layer := range profile.Object.Spec.Layers {
		known = append(known, layer.Name)
	}
	var problems Problems
	var overrides []named
	for i, override := range ref.Layers {
		at := append(slices.Clone(path), "layers", i, "name")
		overrides = append(overrides, named{"override of layer", override.Name, cluster.YAML, at})
		if !slices.Contains(known, override.Name) {
			problems = append(problems, cluster.YAML.Problem(at, "the profile %s has no layer %q%s",
				ID(ref.Name, ref.Version), override.Name, hintOr(override.Name, known)))
		}
	}
	return append(problems, duplicates(overrides)...)
}

// missingRef words a reference to a name at a version that does not exist.
func missingRef(doc *YAML, path []any, what, name, version string, names, versions []string, dir string) Problem {
	if len(versions) > 0 {
		slices.Sort(versions)
		return doc.Problem(append(slices.Clone(path), "version"), "there is no version %q of the %s %q; it has %s",
			version, what, name, strings.Join(versions, ", "))
	}
	hint := Suggest(name, names)
	if hint == "" {
		hint = "; add it below " + dir + "/"
	}
	return doc.Problem(append(slices.Clone(path), "name"), "there is no %s named %q%s", what, name, hint)
}

// hintOr suggests the closest of the known words, or lists them all.
func hintOr(got string, known []string) string {
	if hint := Suggest(got, known); hint != "" {
		return hint
	}
	if len(known) == 0 {
		return ""
	}
	return "; it has " + strings.Join(known, ", ")
}

func checkAccount(repo *Repository, cluster *Document[Cluster]) Problems {
	cloud := cluster.Object.Spec.Cloud
	if cloud.Account == "" {
		return nil
	}
	path := []any{"spec", "cloud", "account"}
	account := repo.Account(cloud.Account)
	if account == nil && repo.isUnread(KindCloudAccount, cloud.Account) {
		return nil
	}
	if account == nil {
		var names []string
		for _, a := range repo.Accounts {
			names = append(names, a.Object.Metadata.Name)
		}
		return Problems{cluster.YAML.Problem(path, "there is no cloud account named %q%s", cloud.Account, hintOr(cloud.Account, names))}
	}
	if account.Object.Spec.Type != cloud.Type {
		return Problems{cluster.YAML.Problem(path, "the account %q is of type %s, the cluster of type %s", cloud.Account, account.Object.Spec.Type, cloud.Type)}
	}
	return nil
}

// checkCloudKeys refuses settings under any key but the one named like the type.
func checkCloudKeys(doc *YAML, cloudType string, path ...any) Problems {
	value := doc.Value()
	for _, element := range path {
		value = childValue(value, element)
	}
	settings, _ := value.(map[string]any)
	var problems Problems
	for key := range settings {
		if key == "type" || key == "account" && isCluster(doc) || key == cloudType {
			continue
		}
		at := append(slices.Clone(path), key)
		problems = append(problems, Problem{Position: doc.KeyPosition(at...), Field: FormatPath(at), Message: unknownCloudKey(key, cloudType)})
	}
	return problems
}

func isCluster(doc *YAML) bool { return childValue(doc.Value(), "kind") == KindCluster }

func unknownCloudKey(key, cloudType string) string {
	hint := Suggest(key, []string{"type", "account", cloudType})
	if cloudType == "" {
		return fmt.Sprintf("unknown field %q%s", key, hint)
	}
	return fmt.Sprintf("unknown field %q; settings of a cloud of type %s stand under %q%s", key, cloudType, cloudType, hint)
}
