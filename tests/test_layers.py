"""The architecture as a test: who may import whom, and which third-party packages where.

A new module is added to FLOORS (and, if it needs a third-party package, to THIRD_PARTY); what two siblings share moves
one floor down.
"""

from __future__ import annotations

from sources import all_imports, sources, told

# From the ground up: a module imports only from rows above its own, siblings never.
AGENT_FLOORS = (
    "bramble_agent bramble_agent.camera bramble_agent.camera.actions bramble_agent.camera.brake "
    "bramble_agent.camera.budget bramble_agent.camera.motion bramble_agent.camera.pace bramble_agent.camera.page "
    "bramble_agent.camera.page.access bramble_agent.camera.page.server bramble_agent.camera.redact "
    "bramble_agent.camera.scratch bramble_agent.camera.sources bramble_agent.camera.sources.arrival "
    "bramble_agent.camera.sources.holders bramble_agent.camera.sources.stamp bramble_agent.camera.sources.v4l2_words "
    "bramble_agent.camera.written bramble_agent.camera.yuv bramble_agent.digest bramble_agent.errors "
    "bramble_agent.health bramble_agent.memory bramble_agent.timing bramble_agent.unpacking "
    "bramble_agent.unpacking.dictionary bramble_agent.unpacking.levels bramble_agent.unpacking.logistic "
    "bramble_agent.unpacking.plan bramble_agent.unpacking.range_decoder bramble_agent.unpacking.rans "
    "bramble_agent.unpacking.xxh32 bramble_agent.wire bramble_agent.wire_camera bramble_agent.wire_install",
    "bramble_agent.camera.actions.mqtt_session bramble_agent.camera.actions.secret_file bramble_agent.camera.ages "
    "bramble_agent.camera.detection bramble_agent.camera.frame bramble_agent.camera.place "
    "bramble_agent.camera.sources.options bramble_agent.camera.sources.v4l2_choose bramble_agent.codec "
    "bramble_agent.energy bramble_agent.files bramble_agent.installed bramble_agent.lease bramble_agent.locking "
    "bramble_agent.pixels bramble_agent.prove bramble_agent.unpacking.dense bramble_agent.unpacking.hashed "
    "bramble_agent.unpacking.mixing bramble_agent.unpacking.positions bramble_agent.wire_release",
    "bramble_agent.board bramble_agent.camera.actions.settings bramble_agent.camera.event "
    "bramble_agent.camera.page.token bramble_agent.camera.planes bramble_agent.camera.slot "
    "bramble_agent.camera.sources.folder bramble_agent.camera.sources.picamera2 bramble_agent.camera.sources.picture "
    "bramble_agent.camera.sources.v4l2_device bramble_agent.camera.wishes bramble_agent.links bramble_agent.oneself "
    "bramble_agent.runtime bramble_agent.signature bramble_agent.unpacking.skeleton bramble_agent.unpacking.values "
    "bramble_agent.unpacking.vectors bramble_agent.unpacking.whole_numbers",
    "bramble_agent.camera.actions.chosen bramble_agent.camera.actions.command bramble_agent.camera.actions.gpio "
    "bramble_agent.camera.actions.jsonl bramble_agent.camera.actions.mqtt bramble_agent.camera.actions.webhook "
    "bramble_agent.camera.capture bramble_agent.camera.convert bramble_agent.camera.decide "
    "bramble_agent.camera.direct bramble_agent.camera.draw bramble_agent.camera.line bramble_agent.camera.records "
    "bramble_agent.camera.sources.stream bramble_agent.camera.sources.synthetic bramble_agent.camera.sources.v4l2 "
    "bramble_agent.camera.supervise bramble_agent.camera.sustained bramble_agent.camera.tell bramble_agent.remembered "
    "bramble_agent.unpacking.parts",
    "bramble_agent.camera.actions.snapshot bramble_agent.camera.deliver bramble_agent.camera.newest "
    "bramble_agent.camera.page.draw bramble_agent.camera.segments bramble_agent.camera.sources.open "
    "bramble_agent.unpacking.sparse",
    "bramble_agent.camera.actions.open bramble_agent.camera.page.preview bramble_agent.camera.spool "
    "bramble_agent.camera.stats bramble_agent.unpacking.contents",
    "bramble_agent.camera.acting bramble_agent.camera.page.metrics bramble_agent.camera.page.watch "
    "bramble_agent.unpacking.unpack",
    "bramble_agent.bundle bramble_agent.decoding",
    "bramble_agent.camera.control bramble_agent.camera.predict bramble_agent.golden bramble_agent.store",
    "bramble_agent.bench bramble_agent.camera.model bramble_agent.camera.page.routes bramble_agent.retention "
    "bramble_agent.verify",
    "bramble_agent.camera.shadow bramble_agent.install bramble_agent.release",
    "bramble_agent.camera.swap",
    "bramble_agent.camera.looker",
    "bramble_agent.camera.notify bramble_agent.camera.page.serve",
    "bramble_agent.camera.loop",
    "bramble_agent.camera.openers",
    "bramble_agent.camera.verbs",
    "bramble_agent.__main__",
)
# ---- the wall: nothing below exists on a board
HOST_FLOORS = (
    "bramble bramble.compress bramble.doctor bramble.doctor.figures bramble.doctor.taps bramble.errors bramble.events "
    "bramble.few_values bramble.few_values.codebooks bramble.fleet bramble.fleet.agent_zip bramble.fleet.camera "
    "bramble.fleet.camera.unit bramble.fleet.feed bramble.fleet.findings bramble.fleet.follow bramble.fleet.probe "
    "bramble.fleet.probe.cameras bramble.fleet.probe.records bramble.fleet.probe.silicon bramble.fleet.probe.survey "
    "bramble.fleet.release bramble.fleet.release.coding bramble.fleet.release.operators bramble.fleet.setup "
    "bramble.fleet.setup.proof_model bramble.fleet.ssh bramble.fleet.ssh.words bramble.fleet.versions bramble.foreign "
    "bramble.graph bramble.graph.copying bramble.graph.low_rank bramble.held bramble.held.resting bramble.held.seen "
    "bramble.old_configs bramble.packing bramble.packing.cut bramble.packing.levels bramble.packing.range_encoder "
    "bramble.packing.record bramble.parts bramble.places bramble.pruning bramble.quantization "
    "bramble.quantization.grid bramble.quantization.patches bramble.report bramble.report.conditions "
    "bramble.report.fitting bramble.report.units bramble.training bramble.training.hinge bramble.training.lesson "
    "bramble.training.losses bramble.training.shift bramble.training.softmax bramble.tuning bramble_zoo "
    "bramble_zoo.digits_cnn bramble_zoo.ds_cnn bramble_zoo.lenet300 bramble_zoo.lenet5 bramble_zoo.mobilenet "
    "bramble_zoo.resnet8",
    "bramble.artifact bramble.cli.screen bramble.convert bramble.datasets.types bramble.few_values.shadows "
    "bramble.fleet.findings.finding bramble.fleet.probe.describe bramble.fleet.release.gate "
    "bramble.fleet.release.kept bramble.fleet.setup.elf bramble.fleet.ssh.config bramble.fleet.ssh.known_hosts "
    "bramble.fleet.ssh.link bramble.fleet.types bramble.foreign.labels bramble.graph.channels bramble.graph.rewire "
    "bramble.held.masks bramble.packing.candidate bramble.packing.contents_table bramble.quantization.ai_edge "
    "bramble.recipe_quantize bramble.recipe_sharing bramble.report.audit_lines bramble.report.charts "
    "bramble.report.doctor_table bramble.report.layer_table bramble.report.stage_table bramble.report.verdict "
    "bramble.tflite bramble.training.dropout bramble.training.front bramble.training.penalty bramble.training.rates "
    "bramble.training.reporter",
    "bramble.audit bramble.datasets.digits bramble.datasets.download bramble.datasets.idx bramble.doctor.align "
    "bramble.evaluate bramble.fleet.ask bramble.fleet.camera.place bramble.fleet.findings.board "
    "bramble.fleet.inventory bramble.fleet.local bramble.fleet.probe.probe bramble.fleet.rollout "
    "bramble.fleet.setup.target bramble.fleet.ssh.keys bramble.fleet.ssh.watch bramble.foreign.model "
    "bramble.graph.constants bramble.graph.flatten bramble.graph.rebuild bramble.graph.widths bramble.held.sharing "
    "bramble.held.zeros bramble.packing.hashed bramble.packing.planes bramble.packing.products bramble.packing.sparse "
    "bramble.packing.standard bramble.pruning.layers_table bramble.pruning.regrow bramble.pruning.scores "
    "bramble.pruning.sensitivity bramble.pruning.surgeon bramble.quantization.flatbuffer bramble.quantization.graph "
    "bramble.recipe bramble.report.facts bramble.report.survey_table bramble.report.table bramble.training.answers "
    "bramble.training.bn_stats bramble.training.trainer bramble.work",
    "bramble.asked bramble.cli.lines bramble.datasets.cifar10 bramble.datasets.fashion_mnist bramble.datasets.folder "
    "bramble.datasets.mnist bramble.fleet.camera.manager bramble.fleet.camera.request bramble.fleet.release.send "
    "bramble.fleet.release.signing bramble.fleet.selection bramble.fleet.setup.runtimes bramble.fleet.setup.wheels "
    "bramble.fleet.ssh.files bramble.fleet.ssh.jump bramble.origin bramble.packing.pack bramble.pruning.dead "
    "bramble.pruning.density bramble.pruning.phases bramble.quantization.plain bramble.quantization.retie "
    "bramble.reading bramble.report.page bramble.training.fit",
    "bramble.build_model bramble.cli.deploy_sh bramble.cli.init bramble.cli.many bramble.cli.one bramble.cli.options "
    "bramble.compress.distill bramble.compress.factorize bramble.compress.head bramble.compress.prune "
    "bramble.compress.slim bramble.compress.train bramble.datasets bramble.doctor.pictures "
    "bramble.few_values.shared_fit bramble.fleet.camera.journal bramble.fleet.camera.watch "
    "bramble.fleet.findings.python bramble.fleet.release.push bramble.fleet.setup.stacks bramble.fleet.ssh.login "
    "bramble.foreign.pictures bramble.packing.shipped bramble.quantization.equalize bramble.quantization.fold "
    "bramble.quantization.places bramble.report.files",
    "bramble.bundle bramble.cli.board_groups bramble.cli.camera_options bramble.cli.look bramble.compress.binarize "
    "bramble.compress.cluster bramble.compress.hash bramble.compress.vector bramble.fleet.camera.start "
    "bramble.fleet.camera.swap bramble.fleet.findings.findings bramble.fleet.setup.choose "
    "bramble.fleet.ssh.connection bramble.quantization.simulate bramble.teachers",
    "bramble.fleet.camera.words bramble.fleet.connect bramble.fleet.setup.setup bramble.fleet.ssh.tunnel "
    "bramble.foreign.make bramble.quantization.islands bramble.quantization.ranges",
    "bramble.cli.board bramble.cli.import_ bramble.cli.signers bramble.deploy bramble.doctor.so_far "
    "bramble.fleet.camera.view bramble.quantization.export bramble.quantization.taps",
    "bramble.cli.known bramble.doctor.examine bramble.quantization.adaround bramble.quantization.bias_correction",
    "bramble.cli.bench bramble.cli.camera bramble.cli.camera_view bramble.cli.probe bramble.cli.push "
    "bramble.cli.rollback bramble.cli.setup bramble.cli.verify bramble.quantization.prepare",
    "bramble.cli.camera_service bramble.compress.aware bramble.compress.quantize bramble.doctor.patient",
    "bramble.doctor.repairs bramble.stages",
    "bramble.doctor.consultation bramble.pipeline",
    "bramble.cli.build bramble.cli.inspect",
    "bramble.cli.deploy",
    "bramble.cli",
    "bramble.__main__",
)
FLOORS = {name: floor for floor, names in enumerate(AGENT_FLOORS + HOST_FLOORS) for name in names.split()}

# What the host may know of the agent: the contract, and the code that makes host and board give the same answers.
OPEN_TO_HOST = {
    "bramble_agent",
    "bramble_agent.wire",
    "bramble_agent.wire_release",
    "bramble_agent.wire_install",
    "bramble_agent.wire_camera",
    "bramble_agent.camera.detection",
    "bramble_agent.codec",
    "bramble_agent.errors",
    "bramble_agent.pixels",
    "bramble_agent.runtime",
    "bramble_agent.timing",
    "bramble_agent.bundle",
    "bramble_agent.digest",
    "bramble_agent.golden",
    "bramble_agent.installed",
    "bramble_agent.unpacking.unpack",
    "bramble_agent.unpacking.contents",
    "bramble_agent.unpacking.parts",
    "bramble_agent.unpacking.plan",
    "bramble_agent.unpacking.whole_numbers",
    "bramble_agent.unpacking.positions",
    "bramble_agent.unpacking.levels",
    "bramble_agent.unpacking.hashed",
    "bramble_agent.unpacking.rans",
    "bramble_agent.unpacking.range_decoder",
    "bramble_agent.unpacking.sparse",
    "bramble_agent.unpacking.xxh32",
}

# By module, or by package for all modules within; a package not named here may be imported nowhere.
THIRD_PARTY = {
    "bramble_agent.pixels": "numpy PIL",
    "bramble_agent.runtime": "numpy ai_edge_litert tflite_runtime",
    "bramble_agent.golden": "numpy",
    "bramble_agent.verify": "numpy",
    "bramble_agent.decoding": "numpy",
    "bramble_agent.unpacking": "numpy",
    "bramble_agent.camera": "numpy",
    "bramble_agent.camera.convert": "numpy PIL",
    "bramble_agent.camera.draw": "numpy PIL",
    "bramble_agent.camera.actions.gpio": "numpy gpiozero",
    "bramble_agent.camera.actions.mqtt_session": "paho",
    "bramble_agent.camera.actions.snapshot": "numpy PIL",
    "bramble_agent.camera.page.draw": "numpy PIL",
    "bramble_agent.camera.sources.folder": "numpy PIL",
    "bramble_agent.camera.sources.picamera2": "numpy picamera2",
    "bramble_agent.camera.sources.stream": "av",
    "bramble_agent.camera.sources.synthetic": "numpy PIL",
    "bramble_zoo": "keras",
    "bramble.recipe": "pydantic",
    "bramble.tuning": "pydantic",
    "bramble.training": "keras numpy",
    "bramble.asked": "keras numpy",
    "bramble.reading": "pydantic",
    "bramble.places": "platformdirs",
    "bramble.datasets": "numpy",
    "bramble.datasets.cifar10": "numpy PIL",
    "bramble.tflite": "numpy ai_edge_litert",
    "bramble.audit": "numpy",
    "bramble.foreign": "numpy",
    "bramble.foreign.model": "ai_edge_litert flatbuffers numpy",
    "bramble.bundle": "numpy",
    "bramble.packing": "numpy",
    "bramble.packing.cut": "numpy ai_edge_litert",
    "bramble.packing.record": "ai_edge_litert flatbuffers numpy",
    "bramble.graph.low_rank": "numpy tensorly",
    "bramble.graph.rewire": "keras",
    "bramble.graph.channels": "keras numpy",
    "bramble.graph.copying": "keras",
    "bramble.graph.rebuild": "keras numpy",
    "bramble.graph.flatten": "keras",
    "bramble.pruning.layers_table": "keras numpy",
    "bramble.graph.constants": "keras numpy",
    "bramble.pruning.dead": "keras numpy",
    "bramble.held.masks": "keras numpy",
    "bramble.pruning.sensitivity": "keras numpy",
    "bramble.held.seen": "keras",
    "bramble.held.resting": "keras",
    "bramble.held.zeros": "keras numpy",
    "bramble.held.sharing": "keras numpy",
    "bramble.few_values.shared_fit": "keras numpy",
    "bramble.few_values.codebooks": "numpy sklearn",
    "bramble.few_values.shadows": "keras numpy",
    "bramble.recipe_sharing": "pydantic",
    "bramble.recipe_quantize": "pydantic",
    "bramble.pruning.regrow": "keras numpy",
    "bramble.pruning.phases": "keras",
    "bramble.pruning.surgeon": "keras numpy",
    "bramble.pruning.density": "keras numpy",
    "bramble.pruning.scores": "keras numpy tensorflow",
    "bramble.convert": "keras numpy tensorflow",
    "bramble.build_model": "keras",
    "bramble.evaluate": "keras numpy",
    "bramble.compress": "keras numpy",
    "bramble.quantization": "keras numpy",
    "bramble.quantization.ai_edge": "ai_edge_litert ai_edge_quantizer numpy",
    "bramble.quantization.adaround": "keras numpy threadpoolctl",
    "bramble.quantization.flatbuffer": "ai_edge_litert keras numpy",
    "bramble.quantization.islands": "ai_edge_litert keras numpy",
    "bramble.stages": "keras numpy",
    "bramble.doctor": "numpy",
    "bramble.doctor.patient": "keras numpy",
    "bramble.doctor.taps": "ai_edge_litert numpy",
    "bramble.old_configs": "keras",
    "bramble.pipeline": "keras numpy",
    "bramble.fleet.release.coding": "numpy",
    "bramble.fleet.setup.elf": "elftools",
    "bramble.fleet.setup.wheels": "packaging",
    "bramble.fleet.setup.proof_model": "flatbuffers ai_edge_litert",
    "bramble.fleet.ssh": "paramiko",
    "bramble.fleet.inventory": "tomlkit",
    "bramble.report.table": "rich",
    "bramble.report.fitting": "rich",
    "bramble.report.stage_table": "rich",
    "bramble.report.layer_table": "rich",
    "bramble.report.doctor_table": "rich",
    "bramble.report.survey_table": "rich",
    "bramble.report.charts": "matplotlib numpy",
    "bramble.report.page": "jinja2 markupsafe",
    "bramble.cli": "typer rich",
}


def test_every_module_has_a_floor() -> None:
    """A new module must be given its place; one that is gone must leave the table."""
    missing = sorted(sources().keys() - FLOORS.keys())
    assert not missing, f"add to FLOORS in tests/test_layers.py, above all that it imports: {', '.join(missing)}"
    gone = sorted(FLOORS.keys() - sources().keys())
    assert not gone, f"take out of FLOORS in tests/test_layers.py: {', '.join(gone)}"


def test_imports_go_down() -> None:
    """A module imports ours only from strictly lower floors, inside functions too."""
    breaches = [
        told(source, one, f"floor {FLOORS[source.name]} from floor {FLOORS[one.target]}")
        for source, one in all_imports()
        if one.target in FLOORS and source.name in FLOORS and FLOORS[one.target] >= FLOORS[source.name]
    ]
    assert not breaches, "\n".join(breaches)


def test_the_wall() -> None:
    """The agent knows nothing of the host or the zoo; the host knows only the agent's open modules."""
    breaches = []
    for source, one in all_imports():
        here, there = (name.partition(".")[0] for name in (source.name, one.target))
        if here == "bramble_agent" and there in ("bramble", "bramble_zoo"):
            breaches.append(told(source, one, "nothing of the host exists on a board"))
        if here != "bramble_agent" == there and one.target not in OPEN_TO_HOST:
            breaches.append(told(source, one, "not one of the agent's modules that the host may use"))
    assert not breaches, "\n".join(breaches)


def allowed(name: str) -> set[str]:
    """The third-party packages that a module may import: its own entry, or the nearest package's."""
    while name and name not in THIRD_PARTY:
        name = name.rpartition(".")[0]
    return set(THIRD_PARTY.get(name, "").split())


def test_third_party_packages_stay_where_they_belong() -> None:
    """Each third-party package is imported only by the modules that the table allows it to."""
    breaches = [
        told(source, one, "not allowed by THIRD_PARTY in tests/test_layers.py")
        for source, one in all_imports()
        if one.target.partition(".")[0] not in ("bramble", "bramble_agent", "bramble_zoo")
        and one.target not in allowed(source.name)
    ]
    assert not breaches, "\n".join(breaches)
