"""
Generated projects: migrations of several apps as strangers write them.

A project depends on nothing but its seed. It knows nothing of Django, which it
is to test: operations are Python source, and what there is at each point is
tracked by the small classes in here.
"""

import random

APP_LABELS = ["fa", "fb", "fc", "fd"]

# Columns: the class and its arguments. All of them can be added to tables with
# rows.
COLUMNS = [
    ("models.CharField", "max_length=20, default='c'"),
    ("models.CharField", "max_length=30, null=True, db_index=True"),
    ("models.CharField", "max_length=10, null=True, db_comment='a comment'"),
    ("models.CharField", "max_length=10, default='c', db_column='{column}'"),
    ("models.IntegerField", "null=True, default=1"),
    ("models.IntegerField", "null=True, unique=True"),
    ("models.IntegerField", "default=3, db_index=True"),
    ("models.IntegerField", "db_default=4"),
    ("models.IntegerField", "db_default=Abs(-5) + 2"),
    ("models.CharField", "max_length=20, db_default=Lower(Value('Da'))"),
    ("models.BooleanField", "default=True"),
    ("models.DecimalField", "max_digits=8, decimal_places=2, null=True"),
    ("models.SlugField", "default='s', db_tablespace='pg_default'"),
    ("models.TextField", "default=''"),
    ("models.JSONField", "default=dict"),
    ("fields.FormCharField", "max_length=20, default='f'"),
    ("fields.StatusField", ""),
    ("fields.DefaultIntegerField", ""),
    ("fields.DescriptorField", "max_length=20, default='d'"),
    ("fields.DescriptorClassField", "max_length=20, default='d'"),
    ("fields.ChoicesField", "default=0, choices=[(0, 'no'), (1, 'yes')]"),
    ("fields.DbTypeField", "null=True"),
    ("fields.DbParametersField", "max_length=40, default='p'"),
    ("fields.InternalTypeField", "null=True"),
    ("fields.CodeField", "null=True, unique=True"),
    ("fields.LazyLengthField", "default='l'"),
    ("fields.ColumnNameField", "null=True"),
    ("fields.AttnameField", "null=True"),
    ("fields.PrefixedField", "max_length=20, default='p'"),
    ("fields.StampField", "default=0"),
    ("fields.EncodedField", "max_length=20, default='e'"),
    ("fields.CheckedField", "default=0"),
    ("fields.CastField", "max_length=20, default='c'"),
    ("fields.NoColumnField", ""),
    ("fields.FakeAwareField", "max_length=20, default='c'"),
    ("fields.OptionField", "null=True"),
]
PLAIN_COLUMNS = 15
# Those that bring another column, for new models.
COLUMN_PAIRS = [
    ("fields.MoneyField", "default=0"),
    ("fields.OwnedField", "null=True, owner='{target}'"),
]
COMPANIONS = ["fields.CompanionField", "fields.LateCompanionField"]
FOREIGN_KEYS = [
    "models.ForeignKey",
    "models.ForeignKey",
    "models.ForeignKey",
    "fields.CustomForeignKey",
    "fields.RelatedForeignKey",
    "fields.RelForeignKey",
    "fields.DescriptorForeignKey",
    "fields.ParentForeignKey",
    "fields.ColumnForeignKey",
    "fields.UnconstrainedForeignKey",
]
ONE_TO_ONES = [
    "models.OneToOneField",
    "fields.AutoOneToOneField",
    "fields.CustomOneToOneField",
]
MANY_TO_MANYS = [
    "models.ManyToManyField",
    "models.ManyToManyField",
    "fields.CustomManyToManyField",
    "fields.SortedManyToManyField",
]
PRIMARY_KEYS = [
    ("models.BigAutoField", "primary_key=True"),
    ("models.AutoField", "primary_key=True"),
    ("models.AutoField", "auto_created=True, primary_key=True, serialize=False"),
]
MIXINS = ["bases.PlainMixin", "bases.RoutedMixin"]
# Abstract models, and the fields that they bring.
ABSTRACTS = {
    "bases.SaveMixin": [],
    "bases.Stamped": ["created", "updated"],
    "bases.Named": ["title"],
    "bases.Linked": ["parent"],
    "bases.Grouped": ["created", "updated", "title"],
}
OPTIONS = [
    "{}",
    "{'ordering': ['pk']}",
    "{'verbose_name': 'v'}",
    "{'ordering': ['-pk'], 'verbose_name_plural': 'vs'}",
    "{'permissions': [('can', 'Can')]}",
    "{'get_latest_by': 'pk', 'base_manager_name': 'objects'}",
    "{'default_permissions': ('add',)}",
    "{'select_on_save': True}",
]
META = [
    "'ordering': ['pk']",
    "'verbose_name': 'Name'",
    "'default_related_name': '%(app_label)s_%(class)s_rel'",
    "'db_table_comment': 'a table'",
    "'db_tablespace': 'pg_default'",
    "'permissions': [('do', 'Do')]",
]
MANAGERS = [
    "[]",
    "[('things', models.Manager())]",
    "[('counted', bases.CountedManager(limit=3))]",
    "[('objects', bases.QuerySetManager())]",
    "[('first', models.Manager()), ('objects', bases.CountedManager())]",
]
DATA = [
    "look",
    "look_at_first",
    "look_from_threads",
    "create_rows",
    "create_rows",
    "create_rows",
    "save_rows",
    "follow",
    "follow_accessors",
    "fill_relations",
    "delete_rows",
]
ROUTERS = ["AppRouter", "HintRouter", "ModelRouter", "ModelNameRouter"]
# What only some projects have, and how many of them: projects without most of
# it find what's hidden by the rest.
FEATURES = {
    "abstract": 0.25,
    "atomic": 0.2,
    "companions": 0.12,
    "composite": 0.3,
    "contrib": 0.08,
    "custom columns": 0.6,
    "custom relations": 0.6,
    "families": 0.5,
    "generated": 0.4,
    "managed": 0.2,
    "mixins": 0.3,
    "multiple fields": 0.15,
    "order of models": 0.1,
    "others' operations": 0.5,
    "proxies": 0.6,
    "receiver": 0.1,
    "router": 0.12,
    "swappable": 0.1,
    "through proxies": 0.06,
    "undeclared": 0.08,
}
RECEIVERS = ["collect_prepared", "add_attribute", "add_field", "shorten_table"]


class Field:
    """A field: a class, its arguments and the model that it refers to."""

    def __init__(self, name, kind, args="", target=None, **flags):
        self.name = name
        self.kind = kind
        self.args = args
        self.target = target
        self.flags = flags
        # The models and fields that can't do without this field.
        self.users = set()

    def __getattr__(self, name):
        return self.flags.get(name)

    def replace(self, **changes):
        values = {"kind": self.kind, "args": self.args, "target": self.target}
        values |= {key: changes.pop(key) for key in list(changes) if key in values}
        field = Field(self.name, **values, **{**self.flags, **changes})
        field.users = self.users
        return field

    @property
    def source(self):
        args = self.args
        if self.target is not None:
            args = ", ".join(filter(None, [repr(self.target.label), args]))
        if self.through:
            args += f", through={self.through.label!r}"
        return f"{self.kind}({args})"


class Model:
    def __init__(self, app_label, name):
        self.app_label = app_label
        self.name = name
        self.fields = {}
        self.parents = []
        self.proxy = False
        self.pk = "id"
        # Names of what else there is.
        self.indexes = []
        self.constraints = []
        self.together = False
        self.order = None
        self.managed = True
        self.swappable = False
        self.abstract_fields = []

    @property
    def label(self):
        return f"{self.app_label}.{self.name}"

    @property
    def ancestors(self):
        return [a for parent in self.parents for a in [parent, *parent.ancestors]]

    def select(self, condition=lambda field: True):
        return [field for field in self.fields.values() if condition(field)]


class Migration:
    def __init__(self, app_label, name, dependencies):
        self.app_label = app_label
        self.name = name
        self.dependencies = dependencies
        self.operations = []
        self.attrs = {}

    @property
    def key(self):
        return self.app_label, self.name


class Project:
    """The migrations of a project and the settings it needs."""

    def __init__(self, seed):
        self.seed = seed
        self.migrations = []
        self.settings = {}

    def __str__(self):
        options = {k: v for k, v in self.settings.items() if k != "features"}
        lines = [f"# Seed {self.seed}: {options}"]
        for migration in self.migrations:
            if not migration.operations:
                continue
            lines.append(
                f"# {'.'.join(migration.key)} {migration.attrs or ''} "
                f"after {migration.dependencies}"
            )
            lines += [f"    {operation}" for operation in migration.operations]
        return "\n".join(lines)

    def without(self, dropped):
        """Return a project without some operations, by their indexes."""
        project = Project(self.seed)
        project.settings = self.settings
        for number, migration in enumerate(self.migrations):
            copy = Migration(*migration.key, migration.dependencies)
            copy.attrs = migration.attrs
            copy.operations = [
                operation
                for index, operation in enumerate(migration.operations)
                if (number, index) not in dropped
            ]
            project.migrations.append(copy)
        return project


class ProjectBuilder:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.project = Project(seed)
        self.models = []
        self.leaves = {}
        self.counter = 0
        self.migration = None
        # What the current operation touches, for the dependencies.
        self.touched = set()
        self.features = {name for name, p in FEATURES.items() if self.chance(p)}
        # Some projects lack some operations.
        self.operations = [
            (getattr(self, name), getattr(self, name).weight)
            for name in vars(type(self))
            if name.startswith("op_") and self.chance(0.85)
        ]

    # Choices.

    def chance(self, probability):
        return self.random.random() < probability

    def choose(self, values):
        values = list(values)
        return self.random.choice(values) if values else None

    def new_name(self, prefix):
        self.counter += 1
        return f"{prefix}{self.counter}"

    def new_field_name(self):
        return self.new_name("someField" if self.chance(0.1) else "f")

    def some_model(self, app_label=None, condition=lambda model: True, **flags):
        """Return a model of an app, if there's one."""
        flags = {"swappable": False, **flags}
        return self.choose(
            model
            for model in self.models
            if app_label in (None, model.app_label)
            and all(bool(getattr(model, key)) is flags[key] for key in flags)
            and condition(model)
        )

    def some_table(self, app_label):
        return self.some_model(app_label, proxy=False)

    def some_target(self, app_label):
        """Return a model to refer to."""
        same_app = app_label if self.chance(0.4) else None
        kind = {} if self.chance(0.15) else {"proxy": False}
        model = self.some_model(same_app, self.has_simple_key, **kind)
        return model or self.some_model(None, self.has_simple_key, **kind)

    @staticmethod
    def has_simple_key(model):
        return not model.composite_key

    def referrers(self, model):
        return [
            other
            for other in self.models
            if model in other.parents
            or any(
                model in (field.target, field.through)
                for field in other.fields.values()
            )
        ]

    def descendants(self, model):
        return [other for other in self.models if model in other.ancestors]

    # Projects.

    def build(self):
        self.app_labels = self.random.sample(APP_LABELS, self.random.randint(2, 4))
        self.undeclared = "undeclared" in self.features
        self.serial = self.chance(0.5)
        self.choose_settings()
        for app_label in self.app_labels:
            self.start_migration(app_label)
            for _ in range(self.random.randint(1, 3)):
                self.add(self.op_create_model, app_label)
            self.finish_migration()
        for _ in range(self.random.randint(3, 14)):
            self.add_migration()
        return self.project

    def choose_settings(self):
        settings = self.project.settings
        settings["features"] = sorted(self.features)
        settings["contrib"] = "contrib" in self.features
        settings["router"] = settings["receiver"] = None
        if "router" in self.features:
            settings["router"] = self.choose(ROUTERS)
        if "receiver" in self.features:
            settings["receiver"] = self.choose(RECEIVERS)
        settings["swappable"] = "fa.Elsewhere"

    def start_migration(self, app_label):
        number = sum(m.app_label == app_label for m in self.project.migrations) + 1
        dependencies = set()
        if app_label in self.leaves:
            dependencies.add(self.leaves[app_label])
        if self.serial and not self.undeclared:
            dependencies |= set(self.leaves.values())
        self.migration = Migration(app_label, f"{number:04}", dependencies)
        if "atomic" in self.features and self.chance(0.3):
            self.migration.attrs["atomic"] = False

    def finish_migration(self):
        migration = self.migration
        if migration.operations:
            migration.dependencies = sorted(migration.dependencies)
            self.project.migrations.append(migration)
            self.leaves[migration.app_label] = migration.key

    def add_migration(self):
        app_label = self.choose(self.app_labels)
        self.start_migration(app_label)
        if self.chance(0.35):
            for _ in range(self.random.randint(1, 3)):
                self.add(self.run_python, app_label)
        else:
            operations, weights = zip(*self.operations)
            for operation in self.random.choices(
                operations, weights, k=self.random.randint(1, 4)
            ):
                self.add(operation, app_label)
        self.finish_migration()

    def add(self, operation, app_label):
        self.touched = set()
        sources = operation(app_label)
        if not sources:
            return
        if isinstance(sources, str):
            sources = [sources]
        self.migration.operations += sources
        if not (self.undeclared and self.chance(0.5)):
            for label in self.touched - {app_label}:
                if label in self.leaves:
                    self.migration.dependencies.add(self.leaves[label])

    def touch(self, *models):
        """Note the apps of models and of all that refers to them."""
        for model in models:
            self.touched.add(model.app_label)
            related = [*model.ancestors, *self.referrers(model)]
            for other in [*related, *self.descendants(model)]:
                self.touched.add(other.app_label)
            for field in model.fields.values():
                if field.target:
                    self.touched.add(field.target.app_label)
                    self.touched |= {a.app_label for a in field.target.ancestors}

    # Fields.

    def add_to(self, model, field):
        model.fields[field.name] = field
        self.touch(model)
        return field

    def column(self, model, new=False):
        name = self.new_field_name()
        if new and "multiple fields" in self.features and self.chance(0.25):
            kind, args = self.choose(COLUMN_PAIRS)
            target = self.some_target(model.app_label)
            if "{target}" in args and not target:
                return self.column(model)
            if "{target}" in args:
                self.touch(target)
                args = args.replace("{target}", target.label)
                # It can neither be renamed nor removed.
                target.pinned = True
            return Field(name, kind, args, fixed=True)
        if new and "companions" in self.features and self.chance(0.2):
            kind = self.choose(COMPANIONS)
            model.pinned = True
            return Field(name, kind, "max_length=9, default='c'", fixed=True)
        if self.chance(0.3) or "custom columns" not in self.features:
            kind, args = self.choose(COLUMNS[:PLAIN_COLUMNS])
        else:
            kind, args = self.choose(COLUMNS)
        args = args.replace("{column}", self.new_name("col"))
        return Field(
            name,
            kind,
            args,
            column=kind != "fields.NoColumnField",
            unique="unique" in args,
            number="IntegerField" in kind,
            text=kind.endswith("CharField"),
            plain=kind in ("models.CharField", "models.IntegerField"),
        )

    def relation(self, model):
        target = self.some_target(model.app_label)
        if target is None:
            return self.column(model)
        if self.chance(0.1) and self.has_simple_key(model):
            target = model
        self.touch(target)
        maker = self.choose(
            [self.foreign_key] * 4
            + [self.one_to_one]
            + [self.many_to_many] * 3 * self.has_simple_key(model)
        )
        return maker(model, target)

    def kind_of(self, kinds):
        return self.choose(kinds if "custom relations" in self.features else kinds[:1])

    def related_name(self):
        """Return arguments: reverse names must not clash."""
        name = self.new_name("rel")
        return self.choose(
            [
                "related_name='+'",
                f"related_name='{name}'",
                f"related_name='%(class)s_{name}'",
                f"related_name='{name}', related_query_name='query{name}'",
            ]
        )

    def foreign_key(self, model, target):
        kind = self.kind_of(FOREIGN_KEYS)
        on_delete = self.choose(["CASCADE", "CASCADE", "SET_NULL", "DO_NOTHING"])
        args = f"models.{on_delete}, null=True, {self.related_name()}"
        flags = {"key": True, "column": True}
        unique = self.choose(target.select(lambda f: f.unique and f.number))
        if unique and self.chance(0.4) and not target.proxy:
            args += f", to_field='{unique.name}'"
            unique.users.add(model)
            flags["to_field"] = unique
        elif self.chance(0.1):
            args += ", db_index=False"
        elif self.chance(0.1):
            args += f", db_column='{self.new_name('ref')}'"
        return Field(self.new_field_name(), kind, args, target, **flags)

    def one_to_one(self, model, target):
        args = f"models.CASCADE, null=True, {self.related_name()}"
        kind = self.kind_of(ONE_TO_ONES)
        return Field(self.new_field_name(), kind, args, target, one=True, column=True)

    def many_to_many(self, model, target):
        kind = self.kind_of(MANY_TO_MANYS)
        args = self.related_name()
        if target is model and self.chance(0.6):
            args += f", symmetrical={self.chance(0.5)}"
        if self.chance(0.15):
            args += f", db_table='{self.new_name('m2m')}'"
        if self.chance(0.1):
            args += ", db_constraint=False"
        return Field(self.new_field_name(), kind, args, target, many=True)

    def generated(self, model):
        if "generated" not in self.features:
            return None
        base = self.choose(
            model.select(lambda f: f.number and f.column and f.kind[:6] == "models")
        )
        if base is None:
            return None
        base.users.add(model)
        stored = self.chance(0.5)
        return Field(
            self.new_field_name(),
            "models.GeneratedField",
            f"expression=F('{base.name}') + 1, "
            f"output_field=models.IntegerField(), db_persist={stored}",
            generated=True,
            base=base,
        )

    # Operations on models.

    def create(self, model, fields, bases=(), meta=(), kind=None, managers=None):
        self.models.append(model)
        fields = ", ".join(f"({f.name!r}, {f.source})" for f in fields)
        parts = [repr(model.name), f"[{fields}]"]
        if meta:
            parts.append(f"options={{{', '.join(meta)}}}")
        if bases:
            parts.append(f"bases=({', '.join(bases)},)")
        if managers:
            parts.append(f"managers={managers}")
        return f"{kind or 'migrations.CreateModel'}({', '.join(parts)})"

    def new_model(self, app_label):
        suffix = "Mod" if self.chance(0.3) else ""
        return Model(app_label, self.new_name("M") + suffix)

    def op_create_model(self, app_label):
        model = self.new_model(app_label)
        fields, bases, meta = [], [], []
        if "composite" in self.features and self.chance(0.2):
            fields = self.composite_key(model)
        elif self.chance(0.12):
            fields = [self.custom_key(model)]
        elif self.chance(0.9):
            fields = [Field("id", *self.choose(PRIMARY_KEYS), fixed=True)]
            model.auto_key = True
        else:
            model.auto_key = True
        return self.finish_model(model, fields, bases, meta)

    op_create_model.weight = 10

    def composite_key(self, model):
        model.composite_key = True
        names = [self.new_name("k"), self.new_name("k")]
        for name in names:
            self.add_to(model, Field(name, "models.IntegerField", fixed=True))
        key = Field("pk", "models.CompositePrimaryKey", f"*{names!r}", fixed=True)
        return [key, *model.fields.values()]

    def custom_key(self, model):
        model.pk = self.new_name("key")
        kind, args = self.choose(
            [
                ("models.CharField", "max_length=20, primary_key=True"),
                ("models.SlugField", "primary_key=True"),
                ("models.IntegerField", "primary_key=True"),
                ("fields.CodeField", "primary_key=True"),
                ("models.BigAutoField", "primary_key=True, db_column='KeyCol'"),
            ]
        )
        return Field(model.pk, kind, args, fixed=True)

    def finish_model(self, model, fields, bases, meta):
        """Add columns, relations, bases and options to a new model."""
        for _ in range(self.random.randint(0, 4)):
            maker = self.relation if self.chance(0.4) else self.column
            field = maker(model, True) if maker == self.column else maker(model)
            fields.append(self.add_to(model, field))
        if self.chance(0.2) and (field := self.generated(model)):
            fields.append(self.add_to(model, field))
        if "mixins" in self.features and self.chance(0.2):
            mixin = self.choose(MIXINS)
            if mixin not in bases:
                bases = [*bases, mixin]
        if "abstract" in self.features and self.chance(0.3) and not model.composite_key:
            name = self.choose(ABSTRACTS)
            clash = {f for a in model.ancestors for f in a.abstract_fields}
            if not clash & set(ABSTRACTS[name]):
                model.abstract_fields = ABSTRACTS[name]
                bases = [*bases, name]
                model.has_abstract = True
        if bases and not (model.parents or model.has_abstract):
            bases = [*bases, "models.Model"]
        if self.chance(0.25):
            meta.append(self.choose(META))
        if "managed" in self.features and self.chance(0.15):
            meta.append("'managed': False")
            model.managed = False
        elif self.chance(0.1):
            meta += self.initial_options(model)
        elif self.chance(0.1):
            meta.append(f"'db_table': '{self.new_name('Table')}'")
        kind = None
        others = "others' operations" in self.features
        if others and self.chance(0.1) and model.auto_key and model.managed:
            kind = "operations.LoggedCreateModel"
        managers = self.choose(MANAGERS) if self.chance(0.1) else None
        return self.create(model, fields, bases, meta, kind, managers)

    def initial_options(self, model):
        field = self.choose(model.select(self.is_indexable))
        if field is None:
            return []
        field.users.add(model)
        kind = self.choose(["index", "constraint", "together"])
        name = self.new_name("ix")
        if kind == "index":
            model.indexes.append((name, [field]))
            return [
                f"'indexes': [models.Index(fields=['{field.name}'], name='{name}')]"
            ]
        if kind == "constraint":
            model.constraints.append((name, [field]))
            return [
                "'constraints': [models.CheckConstraint("
                f"condition=Q({field.name}__isnull=False) "
                f"| Q({field.name}__isnull=True), name='{name}')]"
            ]
        if len(model.select(self.is_indexable)) > 1:
            fields = model.select(self.is_indexable)[:2]
            for field in fields:
                field.users.add(model)
            model.together = fields
            return [f"'unique_together': {{{tuple(f.name for f in fields)!r}}}"]
        return []

    def op_create_child(self, app_label):
        parent = self.some_target(app_label)
        if parent is None or parent.proxy or len(parent.ancestors) > 3:
            return None
        model = self.new_model(app_label)
        model.parents = [parent]
        model.pk = name = f"{parent.name.lower()}_ptr"
        fields = []
        if self.chance(0.7):
            args = (
                "auto_created=True, on_delete=models.CASCADE, parent_link=True, "
                "primary_key=True, serialize=False"
            )
            link = Field(name, "models.OneToOneField", args, parent, link=True)
            fields.append(self.add_to(model, link))
        self.touch(parent)
        bases = [repr(parent.label.lower())]
        if self.chance(0.15):
            bases.insert(0, "bases.PlainMixin")
        return self.finish_model(model, fields, bases, [])

    op_create_child.weight = 6

    def op_create_proxy(self, app_label):
        if "proxies" not in self.features:
            return None
        base = self.some_model(app_label if self.chance(0.6) else None)
        if base is None:
            return None
        model = self.new_model(app_label)
        model.proxy, model.parents, model.pk = True, [base], base.pk
        model.composite_key = base.composite_key
        self.touch(base)
        bases = [repr(base.label.lower())]
        if self.chance(0.2):
            bases.insert(0, "bases.PlainMixin")
        return self.create(model, [], bases, ["'proxy': True"])

    op_create_proxy.weight = 4

    def op_create_through_proxy(self, app_label):
        """Make a proxy of the automatic model of a many-to-many relation."""
        if "through proxies" not in self.features:
            return None
        owner = self.some_model(
            app_label,
            lambda model: model.select(lambda f: f.many and not f.through),
            proxy=False,
        )
        if owner is None:
            return None
        field = self.choose(owner.select(lambda f: f.many and not f.through))
        owner.pinned = True
        field.flags["fixed"] = True
        model = self.new_model(app_label)
        model.proxy = True
        model.leaf = True
        self.touch(owner)
        base = f"{owner.label}_{field.name}".lower()
        return self.create(model, [], [repr(base)], ["'proxy': True"])

    op_create_through_proxy.weight = 8

    def op_create_through(self, app_label):
        """Make an explicit intermediary model and a relation through it."""
        owner = self.some_model(app_label, self.has_simple_key, proxy=False)
        target = self.some_target(app_label)
        if owner is None or target is None or target.proxy:
            return None
        model = self.new_model(app_label)
        model.auto_key = True
        fields = [Field("id", "models.BigAutoField", "primary_key=True", fixed=True)]
        for end in (owner, target):
            args = f"models.CASCADE, {self.related_name()}"
            kind = self.choose(["models.ForeignKey", "fields.CustomForeignKey"])
            field = Field(
                self.new_field_name(), kind, args, end, fixed=True, column=True
            )
            fields.append(self.add_to(model, field))
        self.touch(owner, target)
        create = self.finish_model(model, fields, [], [])
        args = self.related_name()
        names = [field.name for field in fields[1:3]]
        args += f", through_fields={tuple(names)!r}"
        kind = self.choose(["models.ManyToManyField", "fields.CustomManyToManyField"])
        many = Field(
            self.new_field_name(), kind, args, target, many=True, through=model
        )
        self.add_to(owner, many)
        return [create, f"migrations.AddField('{owner.name}', {self.named(many)})"]

    op_create_through.weight = 2

    def op_create_swappable(self, app_label):
        found = any(model.swappable for model in self.models)
        if found or "swappable" not in self.features:
            return None
        model = self.new_model(app_label)
        model.swappable = model.auto_key = True
        target = self.some_target(app_label) if self.chance(0.4) else model
        if target is None or target.proxy:
            return None
        target.pinned = True
        self.touch(target)
        self.project.settings["swappable"] = target.label
        fields = [Field("id", "models.BigAutoField", "primary_key=True", fixed=True)]
        create = self.create(model, fields, (), ["'swappable': 'FUZZ_SWAPPABLE'"])
        owner = self.some_table(app_label)
        if owner is None:
            return create
        self.touch(owner)
        field = Field(
            self.new_field_name(),
            "models.ForeignKey",
            "settings.FUZZ_SWAPPABLE, models.CASCADE, null=True, "
            f"{self.related_name()}",
            column=True,
        )
        self.add_to(owner, field)
        return [create, f"migrations.AddField('{owner.name}', {self.named(field)})"]

    op_create_swappable.weight = 8

    def named(self, field):
        return f"{field.name!r}, {field.source}"

    def unlink(self, model):
        """Return operations that remove all that refers to a model."""
        sources = []
        for other in self.models:
            for field in list(other.fields.values()):
                if other is model or field.target is not model:
                    continue
                if field.link or other.app_label != model.app_label:
                    return None
                if field.users or field.fixed or field.through:
                    return None
                del other.fields[field.name]
                self.forget(other, field)
                self.touch(other)
                sources.append(
                    f"migrations.RemoveField('{other.name}', '{field.name}')"
                )
        return sources

    def forget(self, model, field):
        """Note that a field isn't used by others any more."""
        if field.base:
            field.base.users.discard(model)
        if field.to_field:
            field.to_field.users.discard(model)

    def op_delete_model(self, app_label):
        model = self.some_model(app_label, lambda m: not m.pinned)
        if model is None or self.descendants(model):
            return None
        if any(field.through is model for m in self.models for field in m.select()):
            return None
        self.touch(model)
        sources = self.unlink(model)
        if sources is None:
            return None
        if self.chance(0.2):
            for field in model.select(lambda f: f.target and not f.users):
                if not (field.fixed or field.link or field.generated):
                    sources.append(
                        f"migrations.RemoveField('{model.name}', '{field.name}')"
                    )
        self.models.remove(model)
        return [*sources, f"migrations.DeleteModel('{model.name}')"]

    op_delete_model.weight = 4

    def op_delete_family(self, app_label):
        """Delete models that inherit from each other, as makemigrations."""
        if "families" not in self.features:
            return None
        children = [
            model
            for model in self.models
            if model.app_label == app_label
            and model.parents
            and not model.pinned
            and not self.descendants(model)
            and not self.others_that_refer(model)
        ]
        model = self.choose(children)
        if model is None:
            return None
        self.touch(model)
        family = [model]
        parent = model.parents[0]
        if (
            parent.app_label == app_label
            and not parent.pinned
            and not parent.swappable
            and self.descendants(parent) == [model]
            and not set(self.others_that_refer(parent)) - {model}
        ):
            family.append(parent)
        sources = []
        for member in family:
            for field in member.select(lambda f: f.link):
                if self.chance(0.7):
                    sources.append(
                        f"migrations.RemoveField('{member.name}', '{field.name}')"
                    )
        if self.chance(0.5):
            family.reverse()
        for member in family:
            self.models.remove(member)
            sources.append(f"migrations.DeleteModel('{member.name}')")
        return sources

    op_delete_family.weight = 4

    def others_that_refer(self, model):
        return [other for other in self.referrers(model) if other is not model]

    def op_rename_model(self, app_label):
        model = self.some_model(app_label, lambda m: not m.pinned)
        if model is None:
            return None
        self.touch(model)
        old_name, model.name = model.name, self.new_name("R")
        if self.chance(0.1):
            model.name = old_name.swapcase()
        return f"migrations.RenameModel('{old_name}', '{model.name}')"

    op_rename_model.weight = 4

    def op_turn_into_table(self, app_label):
        """Make a child a model of its own, if it's the last of its line."""
        model = self.some_model(
            app_label,
            lambda m: m.parents and m.select(lambda f: f.link),
            proxy=False,
        )
        if model is None or self.referrers(model) or model.pinned:
            return None
        self.touch(model)
        link = self.choose(model.select(lambda f: f.link))
        del model.fields[link.name]
        parents, model.parents = model.parents, []
        key = "models.BigAutoField(primary_key=True, default=0)"
        set_bases = f"operations.SetBases('{model.name}', (models.Model,))"
        remove = f"migrations.RemoveField('{model.name}', '{link.name}')"
        add = f"migrations.AddField('{model.name}', 'id', {key})"
        if not any(parent.pk == "id" for parent in [*parents, *parents[0].ancestors]):
            return [remove, set_bases, add]
        return self.choose([[remove, set_bases, add], [set_bases, remove, add]])

    op_turn_into_table.weight = 1

    # Operations on fields.

    def op_add_field(self, app_label):
        model = self.some_table(app_label)
        if model is None:
            return None
        field = self.column(model)
        self.add_to(model, field)
        preserve = ", preserve_default=False" if self.chance(0.1) else ""
        kind = "migrations.AddField"
        others = "others' operations" in self.features
        if not preserve and others and self.chance(0.4):
            kind = self.choose(
                [
                    "operations.AddFieldTwice",
                    "operations.AddColumn",
                    "operations.NoBackwardsAddField",
                ]
            )
        source = f"{kind}('{model.name}', {self.named(field)}{preserve})"
        if others and self.chance(0.1):
            return f"operations.Wrapper({source})"
        return source

    op_add_field.weight = 10

    def op_add_relation(self, app_label):
        model = self.some_table(app_label)
        if model is None:
            return None
        field = self.relation(model)
        self.add_to(model, field)
        return f"migrations.AddField('{model.name}', {self.named(field)})"

    op_add_relation.weight = 10

    def op_add_generated(self, app_label):
        model = self.some_table(app_label)
        field = model and self.generated(model)
        if not field:
            return None
        self.add_to(model, field)
        return f"migrations.AddField('{model.name}', {self.named(field)})"

    op_add_generated.weight = 2

    def some_field(self, app_label, condition=lambda field: True):
        model = self.some_table(app_label)
        if model is None:
            return None, None
        field = self.choose(
            model.select(lambda f: not f.fixed and not f.link and condition(f))
        )
        if field is not None:
            self.touch(model)
        return model, field

    def op_remove_field(self, app_label):
        model, field = self.some_field(app_label, lambda f: not f.users)
        if field is None:
            return None
        del model.fields[field.name]
        self.forget(model, field)
        kind = "migrations.RemoveField"
        others = "others' operations" in self.features
        if others and self.chance(0.2) and field.column:
            kind = "operations.SoftRemoveField"
        record = ""
        if self.chance(0.3) and kind == "migrations.RemoveField":
            record = f", field={field.source}"
        return f"{kind}('{model.name}', '{field.name}'{record})"

    op_remove_field.weight = 5

    def op_alter_field(self, app_label):
        model, field = self.some_field(app_label)
        if field is None or field.generated:
            return None
        altered = self.altered(model, field)
        if altered is None:
            return None
        model.fields[field.name] = altered
        kind = "migrations.AlterField"
        if "others' operations" in self.features and self.chance(0.2):
            kind = "operations.NoBackwardsAlterField"
        return f"{kind}('{model.name}', {self.named(altered)})"

    op_alter_field.weight = 9

    def altered(self, model, field):
        if field.many:
            if field.through or field.kind == "fields.SortedManyToManyField":
                return None
            args = f"{self.related_name()}, db_table='{self.new_name('m2m')}'"
            if self.chance(0.3):
                args = args.partition(", db_table")[0]
            return field.replace(args=args)
        if field.key and not field.to_field:
            target = field.target
            if target and self.chance(0.3):
                target = self.some_target(model.app_label)
                self.touch(target)
            on_delete = self.choose(["CASCADE", "SET_NULL"])
            args = f"models.{on_delete}, null=True, {self.related_name()}"
            kind = field.kind
            if self.chance(0.2):
                kind = self.kind_of(FOREIGN_KEYS)
            if self.chance(0.3):
                args += ", db_index=False"
            return field.replace(kind=kind, args=args, target=target)
        if field.target or field.users:
            return None
        if field.text:
            kind, args = self.choose(
                [c for c in COLUMNS if "CharField" in c[0] and "{" not in c[1]]
            )
        elif field.number and not field.unique:
            kind, args = self.choose(
                [c for c in COLUMNS if "IntegerField" in c[0] and "null=True" in c[1]]
                + [("models.BigIntegerField", "null=True, default=2")]
            )
        else:
            return None
        return field.replace(
            kind=kind, args=args, unique="unique" in args, number="Integer" in kind
        )

    def op_alter_key(self, app_label):
        model = self.some_model(app_label, proxy=False)
        if model is None or not model.auto_key or model.parents:
            return None
        self.touch(model)
        kind = self.choose(["AutoField", "BigAutoField"])
        return (
            f"migrations.AlterField('{model.name}', 'id', "
            f"models.{kind}(primary_key=True))"
        )

    op_alter_key.weight = 4

    def op_rename_field(self, app_label):
        model, field = self.some_field(
            app_label, lambda f: not f.users or not f.to_field
        )
        if field is None or any(
            f.base is field for f in model.select(lambda f: f.generated)
        ):
            return None
        if field.users and self.chance(0.6):
            return None
        old_name, field.name = field.name, self.new_name("r")
        if self.chance(0.1):
            field.name = old_name.swapcase()
        model.fields = {f.name: f for f in model.fields.values()}
        return f"migrations.RenameField('{model.name}', '{old_name}', '{field.name}')"

    op_rename_field.weight = 6

    # Operations on options.

    @staticmethod
    def is_indexable(field):
        return bool(field.column and field.kind != "models.JSONField")

    def op_add_index(self, app_label):
        model, field = self.some_field(app_label, self.is_indexable)
        if field is None:
            return None
        name = self.new_name("Ix")
        field.users.add(model)
        model.indexes.append((name, [field]))
        args = self.choose(
            [
                f"fields=['{field.name}'], name='{name}'",
                f"fields=['-{field.name}'], name='{name}'",
                f"fields=['{field.name}'], name='{name}', "
                f"condition=Q({field.name}__isnull=False)",
            ]
        )
        if field.text and self.chance(0.5):
            args = f"Lower('{field.name}').desc(), name='{name}'"
        return f"migrations.AddIndex('{model.name}', models.Index({args}))"

    op_add_index.weight = 4

    def drop(self, model, items):
        """Remove an index or a constraint from a list and return its name."""
        name, fields = self.choose(items)
        items.remove((name, fields))
        self.touch(model)
        still_used = [f for _, fs in model.indexes + model.constraints for f in fs]
        for field in fields:
            if field not in still_used and not self.is_referred_to(field):
                field.users.discard(model)
        return name

    def is_referred_to(self, field):
        return any(
            field in (f.base, f.to_field) for m in self.models for f in m.select()
        ) or any(field in (m.together or ()) or field is m.order for m in self.models)

    def op_remove_index(self, app_label):
        model = self.some_model(app_label, indexes=True)
        if model is None:
            return None
        if self.chance(0.5):
            name, fields = self.choose(model.indexes)
            new_name = self.new_name("Ix")
            model.indexes.remove((name, fields))
            model.indexes.append((new_name, fields))
            return f"migrations.RenameIndex('{model.name}', '{new_name}', '{name}')"
        name = self.drop(model, model.indexes)
        return f"migrations.RemoveIndex('{model.name}', '{name}')"

    op_remove_index.weight = 3

    def op_add_constraint(self, app_label):
        model, field = self.some_field(app_label, self.is_indexable)
        if field is None:
            return None
        name = self.new_name("Con")
        field.users.add(model)
        model.constraints.append((name, [field]))
        constraint = self.choose(
            [
                f"models.UniqueConstraint(fields=['{field.name}', '{model.pk}'], "
                f"name='{name}')",
                f"models.CheckConstraint(condition=Q({field.name}__isnull=True) "
                f"| Q({field.name}__isnull=False), name='{name}')",
                f"models.UniqueConstraint(F('{field.name}'), F('{model.pk}').desc(), "
                f"name='{name}')",
            ]
        )
        if model.composite_key:
            constraint = (
                f"models.CheckConstraint(condition=Q({field.name}__isnull=True) "
                f"| Q({field.name}__isnull=False), name='{name}')"
            )
        return f"migrations.AddConstraint('{model.name}', {constraint})"

    op_add_constraint.weight = 3

    def op_alter_constraint(self, app_label):
        model = self.some_model(app_label, constraints=True)
        if model is None:
            return None
        if self.chance(0.6):
            name = self.drop(model, model.constraints)
            return f"migrations.RemoveConstraint('{model.name}', '{name}')"
        name, (field, *_) = self.choose(model.constraints)
        self.touch(model)
        return (
            f"migrations.AlterConstraint('{model.name}', '{name}', "
            f"models.CheckConstraint(condition=Q({field.name}__isnull=True) "
            f"| Q({field.name}__isnull=False), name='{name}', "
            f"violation_error_message='m{self.counter}'))"
        )

    op_alter_constraint.weight = 3

    def op_unique_together(self, app_label):
        model = self.some_table(app_label)
        if model is None:
            return None
        self.touch(model)
        if model.together:
            fields, model.together = model.together, False
            for field in fields:
                if not self.is_referred_to(field) and not any(
                    field in fs for _, fs in model.indexes + model.constraints
                ):
                    field.users.discard(model)
            return f"migrations.AlterUniqueTogether('{model.name}', set())"
        fields = model.select(self.is_indexable)[:2]
        if len(fields) < 2:
            return None
        names = tuple(field.name for field in fields)
        model.together = fields
        for field in fields:
            field.users.add(model)
        kind = "AlterUniqueTogether"
        return f"migrations.{kind}('{model.name}', {{{names!r}}})"

    op_unique_together.weight = 2

    def op_order(self, app_label):
        model = self.some_table(app_label)
        if model is None or not model.managed:
            return None
        self.touch(model)
        if model.order:
            field, model.order = model.order, None
            if not self.is_referred_to(field):
                field.users.discard(model)
            return f"migrations.AlterOrderWithRespectTo('{model.name}', None)"
        field = self.choose(model.select(lambda f: f.key and f.kind[:6] == "models"))
        if field is None or field.to_field:
            return None
        model.order = field
        field.users.add(model)
        return f"migrations.AlterOrderWithRespectTo('{model.name}', '{field.name}')"

    op_order.weight = 2

    def op_alter_table(self, app_label):
        model = self.some_table(app_label)
        if model is None:
            return None
        self.touch(model)
        table = repr(self.new_name("Tab")) if self.chance(0.7) else None
        if self.chance(0.3):
            comment = self.new_name("comment")
            return f"migrations.AlterModelTableComment('{model.name}', '{comment}')"
        return f"migrations.AlterModelTable('{model.name}', {table})"

    op_alter_table.weight = 3

    def op_alter_options(self, app_label):
        model = self.some_model(app_label)
        if model is None:
            return None
        self.touch(model)
        if self.chance(0.3):
            managers = self.choose(MANAGERS)
            return f"migrations.AlterModelManagers('{model.name}', {managers})"
        if "others' operations" in self.features and self.chance(0.4):
            kind = self.choose(["SetOption", "SetOptionInPlace"])
            value = self.new_name("v")
            return (
                f"operations.{kind}('{model.name}', 'verbose_name', '{value}', "
                f"delay={self.chance(0.5)})"
            )
        options = self.choose(OPTIONS)
        return f"migrations.AlterModelOptions('{model.name}', {options})"

    op_alter_options.weight = 5

    # Other operations.

    def run_python(self, app_label):
        self.touched = set(self.leaves) if self.chance(0.7) else set()
        names = DATA
        if "order of models" in self.features:
            names = [*DATA, "delete_in_order", "look_at_order"]
        forwards, backwards = self.choose(names), self.choose(names)
        return f"migrations.RunPython(data.{forwards}, data.{backwards})"

    def op_run_python(self, app_label):
        return self.run_python(app_label)

    op_run_python.weight = 2

    def op_fill(self, app_label):
        if "others' operations" not in self.features:
            return None
        model, field = self.some_field(
            app_label, lambda f: f.plain and f.text and "null" in f.args
        )
        if field is None or not model.managed:
            return None
        return f"operations.FillField('{model.name}', '{field.name}', 'filled')"

    op_fill.weight = 2

    def op_separate(self, app_label):
        source = self.op_add_field(app_label) or self.op_alter_options(app_label)
        if source is None:
            return None
        kind = self.choose(["both", "both", "state", "sql"])
        if kind == "both":
            database = f"database_operations=[{source}]"
            halves = [database, f"state_operations=[{source}]"]
            self.random.shuffle(halves)
            return f"migrations.SeparateDatabaseAndState({', '.join(halves)})"
        source = self.op_alter_options(app_label)
        if source and kind == "state":
            extra = self.op_alter_options(app_label)
            return (
                "migrations.SeparateDatabaseAndState("
                f"state_operations=[{source}, {extra}])"
            )
        if source:
            return (
                "migrations.RunSQL('SELECT 1', 'SELECT 2', "
                f"state_operations=[{source}])"
            )

    op_separate.weight = 4

    def op_companion_table(self, app_label):
        """Create the table of a model that a field makes."""
        model = self.some_model(app_label, lambda m: m.select(self.is_companion))
        if model is None:
            return None
        field = self.choose(model.select(self.is_companion))
        if field.flags.get("has_table"):
            return None
        field.flags["has_table"] = True
        table = f"companion_{field.name.lower()}"
        return (
            f"migrations.RunSQL('CREATE TABLE {table} (id integer PRIMARY KEY, "
            f"owner_id integer, text varchar(10))', 'DROP TABLE {table}')"
        )

    op_companion_table.weight = 3

    @staticmethod
    def is_companion(field):
        return field.kind in COMPANIONS


for name in ("auto_key", "composite_key", "leaf", "has_abstract", "pinned"):
    setattr(Model, name, False)


def make_project(seed):
    return ProjectBuilder(seed).build()


if __name__ == "__main__":
    import sys

    print(make_project(int(sys.argv[1])))
