package setting

import (
	"slices"
	"strings"
)

// foreign are CELERY_ variables that are no settings; Celery reads them, Umbel has no use for them.
var foreign = []string{
	"CELERY_APP", "CELERY_CONFIG_MODULE", "CELERY_LOADER", "CELERY_BIN", "CELERY_CREATE_DIRS", "CELERY_RDBSIG",
	"CELERY_RDB_HOST", "CELERY_RDB_PORT", "CELERY_WORKER_REVOKES_MAX", "CELERY_WORKER_REVOKE_EXPIRES",
	"CELERY_WORKER_SUCCESSFUL_MAX", "CELERY_WORKER_SUCCESSFUL_EXPIRES", "CELERY_NO_COLOR", "CELERY_QUIET", "CELERY_WORKDIR",
	"CELERY_SKIP_CHECKS", "CELERY_CONFIG", "CELERY_BROKER", "CELERY_TASK_ID",
}

// appVariable names the settings file when nothing else does: the variable of -A.
const appVariable = "UMBEL_APP"

// monitorPrefix begins the variables that are options of the command monitor.
const monitorPrefix = "UMBEL_MONITOR_"

// environ reads the variables. Of several spellings of one setting the last of these wins: Celery's old name, CELERY_ and
// the new name, UMBEL_ and the new name.
func (l *loader) environ(environ []string) {
	type variable struct {
		name, value string
		setting     *Setting
		rank        int
		file        bool // NAME_FILE: the value is in a file
	}
	var found []variable
	for _, e := range environ {
		name, value, ok := strings.Cut(e, "=")
		ours, celerys := strings.HasPrefix(name, "UMBEL_"), strings.HasPrefix(name, "CELERY_")
		if !ok || value == "" || !ours && !celerys || name == appVariable || strings.HasPrefix(name, monitorPrefix) { // an empty variable is an unset one, as in Celery
			continue
		}
		v := variable{name: name, value: value}
		v.setting, v.rank = variableSetting(name)
		if v.setting == nil {
			if bare, is := strings.CutSuffix(name, "_FILE"); is {
				v.setting, v.rank = variableSetting(bare)
				v.file = v.setting != nil
			}
		}
		switch {
		case v.setting != nil:
			found = append(found, v)
		case ours:
			l.problem(Place{Variable: name}, "", "%s", unknownVariable(name))
		case !slices.Contains(foreign, name):
			l.warnings = append(l.warnings, name+": "+unknownVariable(name))
		}
	}
	slices.SortFunc(found, func(a, b variable) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return strings.Compare(a.name, b.name)
	})
	last := make(map[string]variable)
	for _, v := range found {
		if before, ok := last[v.setting.Name]; ok && before.rank == v.rank && before.file != v.file {
			l.problem(Place{Variable: v.name}, "", "%s is set as well: keep one", before.name)
			continue
		}
		last[v.setting.Name] = v
		place := Place{Variable: v.name}
		if v.file {
			text, err := readFile(v.value)
			if err != nil {
				l.problem(place, v.setting.Name, "cannot read its file: %v", err)
				continue
			}
			place.File = v.value
			v.value = strings.TrimRight(string(text), "\r\n")
			if v.value == "" {
				l.problem(place, v.setting.Name, "its file is empty")
				continue
			}
		}
		l.set(v.setting, v.setting.Name, &Node{Kind: Loose, Text: v.value, Place: place})
	}
}

// variableSetting finds the setting that a variable sets, and how the spelling ranks.
func variableSetting(name string) (*Setting, int) {
	if bare, ok := strings.CutPrefix(name, "UMBEL_"); ok {
		if s, ok := Lookup(strings.ToLower(bare)); ok {
			return s, 2
		}
		return nil, 0
	}
	bare := strings.ToLower(strings.TrimPrefix(name, "CELERY_"))
	if s, ok := Lookup(bare); ok && !s.Own {
		return s, 1
	}
	if s, ok := Lookup(name); ok && s.Old == name {
		return s, 0
	}
	return nil, 0
}

func unknownVariable(name string) string {
	prefix, bare, _ := strings.Cut(name, "_")
	text := "unknown setting"
	if near := Nearest(strings.ToLower(strings.TrimSuffix(bare, "_FILE")), names()); near != "" {
		text += ": did you mean " + prefix + "_" + strings.ToUpper(near)
		if strings.HasSuffix(bare, "_FILE") {
			text += "_FILE"
		}
		text += "?"
	}
	return text
}
