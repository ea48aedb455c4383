"""What .tflite files of one converter have in common: the skeleton of a small one, for ``skeleton`` to learn first.

It is that of the zoo's digits CNN (convolutions, pooling, dense layers, int8): tables, names of operators and metadata
as TensorFlow 2.21 writes them. Part of the format: a change of it is a new version of ``unpack``.
"""

from __future__ import annotations

import base64
import zlib

_TEXT = (
    "c-qZZL1-LR7=E+6CcDWr+1Q{#1KozzmJ-(8H9|>hX-q0alC&g?NC=K&chW3QcH{1B2_mwBhX^@D=)r>&4?#TCLqTsrP)g8}gA~EGdXQ2)Xf$csT8"
    "K@?|9|hFoj1v5l4BSCoi}g(_kaKQy*KZF6Jv~JULAZ9F07TsSUYQjYm}*QA7&wFGw5S%4(txt#UqR@fQ3&m7KD2REChDx7u#0J7ap-@u#!={kjtO"
    "fvc`m7Hm$1fylvZ2YKOrJWox=@X-Ou<`}c-zhbYcFMo}+mmXR+Nidy<57J$Ak^7{>99i%p1`_2r%etKkd;LNZ#bUM@9-<#<L43%?1tS2Sksa#$wm"
    "h)C_%Fr$t#Zs=2=X@_e4;;bfzy`q{#Thff#^K>I3|xdHO|WI~y$ZGn_BD<JTLAkEbpo>p>-(F6%UfVV*QRPdsKZet&gyty9gRU9{tBYMGan&7_R5"
    "b-m%iI<=Nbga7ssR%=~My~OxzM!7&nzjbtSl};y1ly+ZNai*!y4=u#doI!6s<jJjVT1v`>KzQyYaF`&+atV1G~>fz~(O{tvcjED*S6i*_x3$o<rc"
    "ZTExW91jf+jKum1d6);w$R;@dRz9w&ssN5}qJCUwF%TdQb~GSjPU*Qkj;Lp1j@|$ZD`Jl3XkDV;7~~~lvv8E+;adI)a#2XTAg#S1=^TJD?KFmC(="
    ")-Vp7X+KQ>1a2>l1{@SVNUV1FeH7#a74{+Xv`g=G`dq#*lH+6#a^jm$McebMkOvA=caU&S6&@>6d{%$5)YjG51E&v5s<iW?L?C$_3xU<DQ(K_RQ6"
    "8xi!+51{&AO^>E{p){4Vb<!Y&1YgLM)NO6L+&LgzGoViq}zXfa-{yM=1;lU(KR2D?4Kr)>$=r|C*3==j36Lt}TMT25}eF_2MVAC|0*Z&c^Va`d4i"
    "?IE;?%-Ki!aYdX*gkYKa`IWYj#|29Oq9*DdeO>Ru<IDvKHW66RCltv9*|G>s*BS_F%bvXa(q?bw32_t7C#3oxis+doA^#>sTZ=j^Es=eoy+I(2DV"
    "WHu0y&tR5p8deLiBC<=vmYlG97Q*{r*M@qPGn)vHT0<vR#}Kd*Xqaq`9X7vEet(NQbc2~)RV+vnMoCiQ8<#lyX3Y|X1r6XA`+U;moFK8V>_3v)`J"
    "(WVOp6AD*4tEIFwC^d5yI?`Dt?aj`5M&7sAyu1%k9#|Ka*Zg^ZQY(jZun!V=?P-u4XeNApuvsw6xYT_8M&B(P#(PFe;u#`Cp4aYrdD43r$zc7vyF"
    "1U-uQqy)?L%u>>FxL!_qBB|ek0*y?d@9k$N$(*=RH*3TjTvHTua|D8RmWLp3Cn}b#G*m5IDBp6Z~e$7wtJ;PEtyehC$|@+s5vD@gf2*FbNO)@9)H"
    "$eT+0@(*Az?fy-k-5qct>t9V9xAb8+8AV%x>$R6*UtXxQ{^+CeB{?Ln8Pr4;xLs)#c6L0=8e8-uzZ+C2X`P4c47qr!loqP`MU014mBkt3IM{fKt6"
    ">%oQ?%$!k@}G#WQhY|^PWoZ&vo<;W0$VQr=hgF=*q>K61^&4EzVYi}AADXDI7?9j8k{<?4TsJn0bU2TYU6bH<9N8B|F?8z!!ul)d!`D+IIj@rhIL"
    "Rc=B&vC%zMew^Ojq)7<-C;<2k1^@vDbkaZHKPxnGfLsY*M2n7%>$>gtD;O3&e)-+tP*Z@BJcjXluW?=w`-<8=Q6#E(exrt)*5sKzR1B#1$&wOd?G"
    "TJX%+Eae?^=Op+)oZA*a"
)


def words() -> bytes:
    """The 3,832 bytes."""
    return zlib.decompress(base64.b85decode(_TEXT))
