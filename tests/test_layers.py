"""The architecture as a test: who may import whom, and which third-party packages where.

A new module is added to FLOORS (and, if it needs a third-party package, to THIRD_PARTY); what two siblings share moves
one floor down.
"""

from __future__ import annotations

from sources import all_imports, sources, told

# From the ground up: a module imports only from rows above its own, siblings never.
AGENT_FLOORS = (
    "bramble_agent bramble_agent.camera bramble_agent.camera.actions bramble_agent.camera.brake "
    "bramble_agent.camera.budget bramble_agent.camera.event bramble_agent.camera.frame bramble_agent.camera.motion "
    "bramble_agent.camera.pace bramble_agent.camera.page bramble_agent.camera.page.access "
    "bramble_agent.camera.page.redact bramble_agent.camera.page.server bramble_agent.camera.scratch "
    "bramble_agent.camera.sources bramble_agent.camera.sources.arrival bramble_agent.camera.sources.holders "
    "bramble_agent.camera.sources.stamp bramble_agent.camera.sources.v4l2_words bramble_agent.camera.written "
    "bramble_agent.camera.yuv bramble_agent.digest bramble_agent.errors bramble_agent.health bramble_agent.levels "
    "bramble_agent.logistic bramble_agent.memory bramble_agent.packed_words bramble_agent.range_decoder "
    "bramble_agent.rans bramble_agent.timing bramble_agent.wire bramble_agent.wire_camera bramble_agent.wire_install "
    "bramble_agent.xxh32",
    "bramble_agent.camera.actions.mqtt_session bramble_agent.camera.actions.secret_file bramble_agent.camera.ages "
    "bramble_agent.camera.decide bramble_agent.camera.detection bramble_agent.camera.direct bramble_agent.camera.draw "
    "bramble_agent.camera.line bramble_agent.camera.place bramble_agent.camera.planes bramble_agent.camera.slot "
    "bramble_agent.camera.sources.options bramble_agent.camera.sources.picture "
    "bramble_agent.camera.sources.v4l2_choose bramble_agent.codec bramble_agent.dense bramble_agent.energy "
    "bramble_agent.files bramble_agent.hashed bramble_agent.installed bramble_agent.lease bramble_agent.locking "
    "bramble_agent.mixing bramble_agent.pixels bramble_agent.positions bramble_agent.prove bramble_agent.wire_release",
    "bramble_agent.board bramble_agent.camera.actions.settings bramble_agent.camera.capture "
    "bramble_agent.camera.convert bramble_agent.camera.deliver bramble_agent.camera.page.token "
    "bramble_agent.camera.records bramble_agent.camera.sources.folder bramble_agent.camera.sources.picamera2 "
    "bramble_agent.camera.sources.stream bramble_agent.camera.sources.synthetic "
    "bramble_agent.camera.sources.v4l2_device bramble_agent.camera.tell bramble_agent.links bramble_agent.oneself "
    "bramble_agent.packed_numbers bramble_agent.runtime bramble_agent.signature bramble_agent.skeleton "
    "bramble_agent.values bramble_agent.vectors",
    "bramble_agent.camera.actions.chosen bramble_agent.camera.actions.command bramble_agent.camera.actions.gpio "
    "bramble_agent.camera.actions.jsonl bramble_agent.camera.actions.mqtt bramble_agent.camera.actions.snapshot "
    "bramble_agent.camera.actions.webhook bramble_agent.camera.newest bramble_agent.camera.page.draw "
    "bramble_agent.camera.segments bramble_agent.camera.sources.v4l2 bramble_agent.camera.stats "
    "bramble_agent.camera.sustained bramble_agent.packed_parts bramble_agent.remembered",
    "bramble_agent.camera.actions.open bramble_agent.camera.page.metrics bramble_agent.camera.page.preview "
    "bramble_agent.camera.page.watch bramble_agent.camera.sources.open bramble_agent.camera.spool "
    "bramble_agent.sparse_part",
    "bramble_agent.camera.acting bramble_agent.packed_content",
    "bramble_agent.packed",
    "bramble_agent.bundle bramble_agent.decoding",
    "bramble_agent.camera.control bramble_agent.camera.predict bramble_agent.golden bramble_agent.store",
    "bramble_agent.bench bramble_agent.camera.model bramble_agent.camera.page.routes bramble_agent.retention "
    "bramble_agent.verify",
    "bramble_agent.camera.shadow bramble_agent.install bramble_agent.release",
    "bramble_agent.camera.swap",
    "bramble_agent.camera.looker",
    "bramble_agent.camera.page.serve",
    "bramble_agent.camera.loop",
    "bramble_agent.camera.openers",
    "bramble_agent.__main__",
)
# ---- the wall: nothing below exists on a board
HOST_FLOORS = (
    "bramble bramble.codebooks bramble.compress bramble.copying bramble.errors bramble.events bramble.fleet "
    "bramble.fleet.agent_zip bramble.fleet.feed bramble.fleet.findings bramble.fleet.probe "
    "bramble.fleet.probe.cameras bramble.fleet.probe.records bramble.fleet.probe.silicon bramble.fleet.probe.survey "
    "bramble.fleet.release bramble.fleet.release.coding bramble.fleet.release.operators bramble.fleet.setup "
    "bramble.fleet.setup.proof_model bramble.fleet.ssh bramble.fleet.ssh.words bramble.fleet.types "
    "bramble.fleet.versions bramble.hinge bramble.low_rank bramble.packing bramble.packing.cut bramble.packing.levels "
    "bramble.packing.range_encoder bramble.parts bramble.places bramble.quantization bramble.quantization.flatbuffer "
    "bramble.quantization.grid bramble.report bramble.report.conditions bramble.report.fitting bramble.report.units "
    "bramble.resting bramble.seen bramble.tuning bramble_zoo bramble_zoo.digits_cnn bramble_zoo.lenet300 "
    "bramble_zoo.lenet5 bramble_zoo.resnet8",
    "bramble.artifact bramble.channels bramble.cli.screen bramble.convert bramble.datasets.types bramble.fleet.ask "
    "bramble.fleet.findings.finding bramble.fleet.local bramble.fleet.probe.describe bramble.fleet.release.gate "
    "bramble.fleet.release.kept bramble.fleet.rollout bramble.fleet.setup.elf bramble.fleet.ssh.config "
    "bramble.fleet.ssh.known_hosts bramble.fleet.ssh.link bramble.masks bramble.packing.candidate "
    "bramble.packing.contents_table bramble.recipe_sharing bramble.report.charts bramble.report.layer_table "
    "bramble.report.stage_table bramble.report.verdict bramble.reporter bramble.rewire bramble.shadows bramble.tflite",
    "bramble.audit bramble.bn_stats bramble.cli.lines bramble.constants bramble.datasets.digits "
    "bramble.datasets.download bramble.datasets.idx bramble.evaluate bramble.flatten bramble.fleet.findings.board "
    "bramble.fleet.inventory bramble.fleet.probe.probe bramble.fleet.release.send bramble.fleet.release.signing "
    "bramble.fleet.setup.target bramble.fleet.ssh.keys bramble.fleet.ssh.watch bramble.layers_table "
    "bramble.packing.hashed bramble.packing.planes bramble.packing.products bramble.packing.sparse "
    "bramble.packing.standard bramble.quantization.graph bramble.quantization.retie bramble.rebuild bramble.recipe "
    "bramble.regrow bramble.report.facts bramble.report.survey_table bramble.report.table bramble.sharing "
    "bramble.widths bramble.work bramble.zeros",
    "bramble.cli.many bramble.cli.one bramble.datasets.cifar10 bramble.datasets.fashion_mnist bramble.datasets.folder "
    "bramble.datasets.mnist bramble.dead bramble.density bramble.fit bramble.fleet.release.push "
    "bramble.fleet.selection bramble.fleet.setup.runtimes bramble.fleet.setup.wheels bramble.fleet.ssh.files "
    "bramble.fleet.ssh.jump bramble.origin bramble.packing.pack bramble.phases bramble.quantization.plain "
    "bramble.reading bramble.report.page",
    "bramble.build_model bramble.cli.deploy_sh bramble.cli.init bramble.cli.options bramble.compress.distill "
    "bramble.compress.factorize bramble.compress.head bramble.compress.train bramble.datasets "
    "bramble.fleet.findings.python bramble.fleet.setup.stacks bramble.fleet.ssh.login bramble.packing.shipped "
    "bramble.quantization.fold bramble.quantization.places bramble.report.files bramble.scores bramble.sensitivity "
    "bramble.shared_fit bramble.surgeon",
    "bramble.bundle bramble.cli.board_groups bramble.cli.look bramble.compress.binarize bramble.compress.cluster "
    "bramble.compress.hash bramble.compress.prune bramble.compress.slim bramble.compress.vector "
    "bramble.fleet.findings.findings bramble.fleet.setup.choose bramble.fleet.ssh.connection "
    "bramble.quantization.simulate bramble.teachers",
    "bramble.cli.inspect bramble.fleet.connect bramble.fleet.setup.setup bramble.fleet.ssh.tunnel "
    "bramble.quantization.islands bramble.quantization.ranges",
    "bramble.cli.board bramble.cli.signers bramble.deploy bramble.fleet.view bramble.quantization.export",
    "bramble.cli.known bramble.quantization.prepare",
    "bramble.cli.bench bramble.cli.camera_view bramble.cli.probe bramble.cli.push bramble.cli.rollback "
    "bramble.cli.setup bramble.cli.verify bramble.compress.aware bramble.compress.quantize",
    "bramble.stages",
    "bramble.pipeline",
    "bramble.cli.build",
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
    "bramble_agent.codec",
    "bramble_agent.errors",
    "bramble_agent.pixels",
    "bramble_agent.runtime",
    "bramble_agent.timing",
    "bramble_agent.bundle",
    "bramble_agent.digest",
    "bramble_agent.golden",
    "bramble_agent.installed",
    "bramble_agent.xxh32",
    "bramble_agent.packed",
    "bramble_agent.packed_content",
    "bramble_agent.packed_parts",
    "bramble_agent.packed_numbers",
    "bramble_agent.positions",
    "bramble_agent.levels",
    "bramble_agent.hashed",
    "bramble_agent.rans",
    "bramble_agent.range_decoder",
    "bramble_agent.sparse_part",
}

# By module, or by package for all modules within; a package not named here may be imported nowhere.
THIRD_PARTY = {
    "bramble_agent.pixels": "numpy PIL",
    "bramble_agent.runtime": "numpy ai_edge_litert tflite_runtime",
    "bramble_agent.golden": "numpy",
    "bramble_agent.verify": "numpy",
    "bramble_agent.decoding": "numpy",
    "bramble_agent.camera": "numpy",
    "bramble_agent.camera.convert": "numpy PIL",
    "bramble_agent.camera.draw": "numpy PIL",
    "bramble_agent.camera.actions.gpio": "numpy gpiozero",
    "bramble_agent.camera.actions.mqtt_session": "paho",
    "bramble_agent.camera.actions.snapshot": "numpy PIL",
    "bramble_agent.camera.page.draw": "numpy PIL",
    "bramble_agent.camera.sources.picamera2": "numpy picamera2",
    "bramble_agent.camera.sources.stream": "av",
    "bramble_agent.camera.sources.synthetic": "numpy PIL",
    "bramble_agent.xxh32": "numpy",
    "bramble_agent.logistic": "numpy",
    "bramble_agent.rans": "numpy",
    "bramble_agent.positions": "numpy",
    "bramble_agent.dense": "numpy",
    "bramble_agent.hashed": "numpy",
    "bramble_agent.levels": "numpy",
    "bramble_agent.values": "numpy",
    "bramble_agent.vectors": "numpy",
    "bramble_agent.sparse_part": "numpy",
    "bramble_agent.packed_content": "numpy",
    "bramble_zoo": "keras",
    "bramble.recipe": "pydantic",
    "bramble.tuning": "pydantic",
    "bramble.reading": "pydantic",
    "bramble.places": "platformdirs",
    "bramble.datasets": "numpy",
    "bramble.datasets.cifar10": "numpy PIL",
    "bramble.tflite": "numpy ai_edge_litert",
    "bramble.audit": "numpy",
    "bramble.bundle": "numpy",
    "bramble.packing": "numpy",
    "bramble.packing.cut": "numpy ai_edge_litert",
    "bramble.fit": "keras numpy",
    "bramble.reporter": "keras",
    "bramble.low_rank": "numpy tensorly",
    "bramble.rewire": "keras",
    "bramble.channels": "keras numpy",
    "bramble.copying": "keras",
    "bramble.rebuild": "keras numpy",
    "bramble.flatten": "keras",
    "bramble.layers_table": "keras numpy",
    "bramble.bn_stats": "keras numpy",
    "bramble.constants": "keras numpy",
    "bramble.dead": "keras numpy",
    "bramble.masks": "keras numpy",
    "bramble.sensitivity": "keras numpy",
    "bramble.seen": "keras",
    "bramble.resting": "keras",
    "bramble.zeros": "keras numpy",
    "bramble.sharing": "keras numpy",
    "bramble.shared_fit": "keras numpy",
    "bramble.codebooks": "numpy sklearn",
    "bramble.shadows": "keras numpy",
    "bramble.hinge": "keras",
    "bramble.recipe_sharing": "pydantic",
    "bramble.regrow": "keras numpy",
    "bramble.phases": "keras",
    "bramble.surgeon": "keras numpy",
    "bramble.density": "keras numpy",
    "bramble.scores": "keras numpy tensorflow",
    "bramble.convert": "keras numpy tensorflow",
    "bramble.build_model": "keras",
    "bramble.evaluate": "keras numpy",
    "bramble.compress": "keras numpy",
    "bramble.quantization": "keras numpy",
    "bramble.quantization.flatbuffer": "ai_edge_litert flatbuffers keras numpy",
    "bramble.quantization.islands": "ai_edge_litert keras numpy",
    "bramble.stages": "keras numpy",
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
