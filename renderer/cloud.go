package renderer

import (
	"maps"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
)

// checkClouds holds the settings of every cluster and account to the schemas
// that their cloud's provider publishes.
func checkClouds(repo *schemas.Repository, clouds map[string]schemas.CloudSchemas) schemas.Problems {
	c := cloudChecker{clouds: clouds, compiled: map[string]*schemas.Schema{}}
	var problems schemas.Problems
	for _, doc := range repo.Accounts {
		spec := doc.Object.Spec
		problems = append(problems, c.check(doc.YAML, []any{"spec"}, spec, "account", clouds[spec.Type].Account)...)
	}
	for _, doc := range repo.Clusters {
		spec := doc.Object.Spec.Cloud
		problems = append(problems, c.check(doc.YAML, []any{"spec", "cloud"}, spec, "cluster", clouds[spec.Type].Cluster)...)
	}
	return problems
}

type cloudChecker struct {
	clouds   map[string]schemas.CloudSchemas
	compiled map[string]*schemas.Schema
}

func (c *cloudChecker) check(doc *schemas.YAML, path []any, cloud schemas.Cloud, what string, schema []byte) schemas.Problems {
	if _, known := c.clouds[cloud.Type]; !known {
		types := slices.Sorted(maps.Keys(c.clouds))
		hint := schemas.Suggest(cloud.Type, types)
		if hint == "" {
			hint = "; known are " + strings.Join(types, ", ")
		}
		return schemas.Problems{doc.Problem(extend(path, "type"), "unknown type of cloud %q%s", cloud.Type, hint)}
	}
	at := extend(path, cloud.Type)
	if schema == nil {
		if cloud.Config != nil {
			return schemas.Problems{doc.Problem(at, "a %s on the cloud %s takes no settings; remove %s", what, cloud.Type, cloud.Type)}
		}
		return nil
	}
	key := what + " " + cloud.Type
	if c.compiled[key] == nil {
		compiled, err := schemas.CompileSchema(cloud.Type, schema)
		if err != nil {
			return schemas.Problems{doc.Problem(at, "the cloud's own schema is broken: %v", err)}
		}
		c.compiled[key] = compiled
	}
	if cloud.Config != nil {
		return doc.Check(c.compiled[key], at...)
	}
	// Without any settings the required ones are still missing.
	var problems schemas.Problems
	for _, violation := range c.compiled[key].Check(map[string]any{}) {
		problems = append(problems, doc.Problem(extend(at, violation.Path...), "%s", violation.Message))
	}
	return problems
}
