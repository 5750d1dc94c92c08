package main

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	"k8s.io/apimachinery/pkg/runtime"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

type Desc struct {
	Kind string `json:"kind"`
	Go   string `json:"go"`
	Pkg  string `json:"pkg,omitempty"`
	Name string `json:"name,omitempty"`
	Key  *Desc  `json:"key,omitempty"`
	Elem *Desc  `json:"elem,omitempty"`
}
type FieldD struct {
	GoName   string `json:"goName"`
	JSON     string `json:"json"`
	Omit     bool   `json:"omitempty"`
	OmitZero bool   `json:"omitzero"`
	Inline   bool   `json:"inline"`
	Proto    string `json:"proto"`
	Strategy string `json:"strategy"`
	MergeKey string `json:"mergeKey"`
	Type     *Desc  `json:"type"`
}
type TypeD struct {
	Pkg    string   `json:"pkg"`
	Name   string   `json:"name"`
	Go     string   `json:"go"`
	List   *Desc    `json:"list,omitempty"`
	Fields []FieldD `json:"fields"`
}

var types = map[string]*TypeD{}
var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time", "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "microtime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "duration", "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intorstring", "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "fieldsv1",
	"k8s.io/apimachinery/pkg/runtime.RawExtension": "raw",
}

func desc(t reflect.Type) *Desc {
	d := &Desc{Go: t.String()}
	full := t.PkgPath() + "." + t.Name()
	if s, ok := special[full]; ok {
		d.Kind = s
		return d
	}
	switch t.Kind() {
	case reflect.Ptr:
		d.Kind = "ptr"
		d.Elem = desc(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			d.Kind = "bytes"
			return d
		}
		if _, ok := reflect.PtrTo(t).MethodByName("Marshal"); ok && t.Name() != "" {
			d.Kind = "struct"
			d.Pkg, d.Name = t.PkgPath(), t.Name()
			if types[full] == nil {
				td := &TypeD{Pkg: d.Pkg, Name: d.Name, Go: t.String()}
				types[full] = td
				td.List = &Desc{Kind: "slice", Go: "[]" + t.Elem().String(), Elem: desc(t.Elem())}
			}
			return d
		}
		d.Kind = "slice"
		d.Elem = desc(t.Elem())
	case reflect.Map:
		d.Kind = "map"
		d.Key = desc(t.Key())
		d.Elem = desc(t.Elem())
	case reflect.Struct:
		d.Kind = "struct"
		d.Pkg, d.Name = t.PkgPath(), t.Name()
		add(t)
	case reflect.Interface:
		d.Kind = "any"
	default:
		d.Kind = t.Kind().String()
	}
	return d
}

func add(t reflect.Type) {
	full := t.PkgPath() + "." + t.Name()
	if types[full] != nil {
		return
	}
	td := &TypeD{Pkg: t.PkgPath(), Name: t.Name(), Go: t.String(), Fields: []FieldD{}}
	types[full] = td
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		if f.PkgPath != "" {
			continue
		}
		js := strings.Split(f.Tag.Get("json"), ",")
		fd := FieldD{GoName: f.Name, JSON: js[0], Proto: f.Tag.Get("protobuf"), Strategy: f.Tag.Get("patchStrategy"), MergeKey: f.Tag.Get("patchMergeKey")}
		for _, o := range js[1:] {
			fd.Omit = fd.Omit || o == "omitempty"
			fd.OmitZero = fd.OmitZero || o == "omitzero"
			fd.Inline = fd.Inline || o == "inline"
		}
		if f.Anonymous && js[0] == "" {
			fd.Inline = true
		}
		fd.Type = desc(f.Type)
		td.Fields = append(td.Fields, fd)
	}
}

func main() {
	scheme.Scheme.AddKnownTypes(apidiscoveryv2.SchemeGroupVersion, &apidiscoveryv2.APIGroupDiscovery{}, &apidiscoveryv2.APIGroupDiscoveryList{})
	kinds := map[string]string{}
	reg := func(gvk string, o interface{}) {
		t := reflect.TypeOf(o)
		if t.Kind() == reflect.Ptr {
			t = t.Elem()
		}
		add(t)
		kinds[gvk] = t.PkgPath() + "." + t.Name()
	}
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == "__internal" {
			continue
		}
		reg(gvk.Group+"/"+gvk.Version+"/"+gvk.Kind, reflect.New(t).Interface())
	}
	for _, o := range []interface{}{&metav1.Status{}, &metav1.Table{}, &metav1.PartialObjectMetadata{}, &metav1.PartialObjectMetadataList{}, &metav1.APIVersions{}, &metav1.APIGroup{}, &metav1.APIGroupList{}, &metav1.APIResourceList{}, &metav1.WatchEvent{}, &metav1.TableOptions{},
		&metav1.ListOptions{}, &metav1.GetOptions{}, &metav1.DeleteOptions{}, &metav1.CreateOptions{}, &metav1.UpdateOptions{}, &metav1.PatchOptions{}, &metav1.ApplyOptions{}, &metav1.List{}} {
		reg("/v1/"+reflect.TypeOf(o).Elem().Name(), o)
		kinds["meta.k8s.io/v1/"+reflect.TypeOf(o).Elem().Name()] = "k8s.io/apimachinery/pkg/apis/meta/v1." + reflect.TypeOf(o).Elem().Name()
	}
	_ = runtime.Unknown{}
	keys := []string{}
	for k := range types {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	enc.Encode(map[string]interface{}{"types": types, "kinds": kinds})
}
